# SPDX-License-Identifier: BSD-2-Clause
"""The commands of README.md and of the tutorial, pasted into a shell in a fresh
copy of the tree.

Each ```sh block runs as it stands, in order, in one shell; the lines of a
```text block must be found in this order in what the block before it printed.
In them ... stands for any text. The blocks use fixed ports and the default
control socket: the tests' network is their own (see net.py), and so is /run.
"""
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
README = TOP / "README.md"
TUTORIAL = TOP / "tests/examples/TUTORIAL.md"

CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 0x4000 | 1 << 18

# These two are commands for a terminal, tested apart from the rest.
RUN = "scripts/run\n"
TEST = "scripts/test\n"


def own_run():
    """Between fork and exec: an empty /run for root's control socket. Where
    it is not allowed, the machine's."""
    libc = ctypes.CDLL(None)
    if os.getuid() == 0 and libc.unshare(CLONE_NEWNS) == 0:
        libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None)
        libc.mount(b"none", b"/run", b"tmpfs", 0, b"mode=755")


def blocks(document):
    """(text, lines expected) of each ```sh block."""
    found = []
    fence = re.compile(r"^```(sh|text)\n(.*?)^```$", re.M | re.S)
    for kind, text in fence.findall(document.read_text()):
        if kind == "sh":
            found.append((text, []))
        else:
            found[-1][1].extend(text.splitlines())
    return found


@pytest.fixture(scope="module")
def copy():
    # Children run as nobody when we are root: not below pytest's own folder.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tine-readme-"))
    folder.chmod(0o755)
    tree = folder / "copy"
    shutil.copytree(TOP, tree, symlinks=True, ignore=shutil.ignore_patterns(
        ".git", "build", "build-*", "__pycache__", ".pytest_cache"))
    yield tree
    shutil.rmtree(folder)


def kill_daemons(tree):
    """Servers of this copy that went into the background and stayed there."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe").startswith(f"{tree}/"):
                os.kill(int(pid), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def play(tree, script, seconds):
    """Run a script in bash; its output. Nothing of it is left behind."""
    env = {k: v for k, v in os.environ.items()
           if k not in ("BUILD", "TINE_BUILD", "MAKEFLAGS", "CC")}
    env["XDG_RUNTIME_DIR"] = env["TMPDIR"] = str(tree.parent)
    with open(tree.parent / "output", "w+b") as output:
        shell = subprocess.Popen(
            ["bash", "-e", "-c", script], cwd=tree, env=env, stdout=output,
            stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=own_run)
        try:
            status = shell.wait(seconds)
        except subprocess.TimeoutExpired:
            status = "none: too slow"
        finally:
            try:
                os.killpg(shell.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            shell.wait()
            kill_daemons(tree)
        output.seek(0)
        text = output.read().decode(errors="replace")
    assert status == 0, f"exit status {status}:\n{text}"
    return text


def assert_printed(expected, printed, block):
    lines = iter(printed.splitlines())
    for want in expected:
        pattern = ".*".join(re.escape(p) for p in want.split("..."))
        assert any(re.fullmatch(pattern, line.rstrip()) for line in lines), (
            f"{want!r} is not where it is promised\n{block}\nprinted:\n"
            f"{printed}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_scripts_run_builds_serves_the_welcome_page_and_prints_its_url(
        copy, fixed_ports):
    fixed_ports(8080)
    assert (RUN, []) in blocks(README)
    printed = play(copy, """
        scripts/run &
        until curl -sf -o page http://127.0.0.1:8080/; do
            kill -0 $!
            sleep 0.2
        done
        kill -TERM $!
        wait $!
        """, 240)
    assert "open http://127.0.0.1:8080/" in printed
    assert "tine: ready:" in printed
    assert "<html" in (copy / "page").read_text().lower()


def assert_true(pasted, copy):
    """Each block prints what the document says."""
    script = "make -s -j2 >/dev/null\n"
    for n, (text, _) in enumerate(pasted):
        script += f"echo @@{n}\n{text}"
    printed = re.split(r"^@@\d+$", play(copy, script, 240), flags=re.M)[1:]
    assert len(printed) == len(pasted)
    for (text, expected), output in zip(pasted, printed):
        assert_printed(expected, output, text)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_block_of_readme_does_what_it_says(copy, fixed_ports):
    fixed_ports(7890, 8080, 8888)
    pasted = [b for b in blocks(README) if b[0] not in (RUN, TEST)]
    assert len(pasted) >= 5
    assert_true(pasted, copy)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_block_of_the_tutorial_does_what_it_says(copy, fixed_ports):
    fixed_ports(7777)
    pasted = blocks(TUTORIAL)
    assert len(pasted) >= 10
    assert_true(pasted, copy)
