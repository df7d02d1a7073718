# SPDX-License-Identifier: BSD-2-Clause
"""conftest.py: fixtures of the system tests. TINE_BUILD names the folder with
the binaries (default: build)."""

import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
sys.dont_write_bytecode = True

import net  # noqa: E402
from background import Background  # noqa: E402
from stage import Stage  # noqa: E402
from tine import Tine  # noqa: E402

net.isolate()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Let fixtures see whether their test failed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.has_failed = report.failed


@pytest.fixture(scope="session")
def stage():
    os.umask(0o022)
    made = Stage(os.environ.get("TINE_BUILD", os.path.join(TOP, "build")))
    yield made
    made.remove()


@pytest.fixture
def folder(stage):
    """A fresh folder that every user may read."""
    return stage.folder()


@pytest.fixture
def tine(stage, request):
    """tine(ARG...) starts a server and returns it ready (a Tine). Options:
    ready=False does not wait; code= is the expected exit code; the rest is
    Tine's."""
    started = []

    def start(*args, ready=True, code=0, folder=None, **options):
        server = Tine(stage, folder or stage.folder(), args, **options)
        started.append((server, code))
        return server.wait_ready() if ready else server

    yield start
    wrong = []
    for server, code in reversed(started):
        wrong += server.close(code)
    if wrong or getattr(request.node, "has_failed", True):
        for server, _ in started:
            print("\n".join([f"--- log of {server.argv}", *server.lines]))
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def background(stage):
    """background(ARG...) sends a tine into the background (a Background);
    start=False does not run it yet."""
    started = []

    def start(*args, folder=None, **options):
        started.append(
            Background(stage, folder or stage.folder(), args, **options))
        return started[-1]

    yield start
    killed = [title for t in started for title in t.close()]
    assert not killed, f"did not end by themselves: {killed}"


@pytest.fixture
def run_tine(stage, folder):
    """run_tine(ARG...) runs tine until it ends: exit code, stdout, stderr."""

    def run(*args, timeout=60, cwd=folder, **options):
        return subprocess.run(
            [stage.tine, *map(str, args)], cwd=cwd, timeout=timeout,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, **options)

    return run


@pytest.fixture
def fixed_ports():
    """fixed_ports(8080) for command lines that name their port."""
    held = []

    def hold(*ports):
        held.append(net.FixedPorts(*ports).__enter__())

    yield hold
    for ports in held:
        ports.__exit__()
