# SPDX-License-Identifier: BSD-2-Clause
"""tinectl check: what a reload would say, while the server goes on."""

import os
import pathlib
import shutil
import subprocess

import pytest

import procs

GOOD = """processes: 2
servers:
  - listen: [ "tcp://127.0.0.1:0" ]
    handler: echo
"""


@pytest.fixture
def server(tine, folder):
    """A server, and the file that it was started with."""
    path = pathlib.Path(folder) / "tine.yaml"
    path.write_text(GOOD)
    return tine("-c", "tine.yaml", folder=folder), path


def test_a_good_file_is_good(server):
    t, _ = server
    done = t.tinectl("check")
    assert (done.returncode, done.stdout, done.stderr) == (
        0, "the configuration is good\n", "")


def test_all_mistakes_of_the_file_as_it_is_now_are_shown(server, run_tine):
    t, path = server
    old = t.children()
    path.write_text(GOOD.replace(": 2", ": 2x").replace("echo", "ehco"))
    done = t.tinectl("check")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\ntine: tine.yaml:") == 1
    assert done.stderr.startswith("tine: tine.yaml:1:12: ")
    assert "did you mean echo?" in done.stderr
    # Just what the next start would say.
    again = run_tine("-c", "tine.yaml", cwd=t.folder)
    assert (again.returncode, again.stderr) == (78, done.stderr)
    path.write_text(GOOD)
    assert t.tinectl("check").returncode == 0
    assert t.children() == old
    assert t.status()["master"]["crashes"] == 0


def test_a_file_that_is_gone_is_a_failure(server):
    t, path = server
    path.unlink()
    done = t.tinectl("check")
    assert done.returncode == 1
    assert "tine.yaml: No such file" in done.stderr


def test_what_cannot_change_at_a_reload_is_a_failure(server):
    t, path = server
    path.write_text(f"pid-file: {t.folder}/pid\noverload: {{ lag: 3s }}\n" + GOOD)
    done = t.tinectl("check")
    assert (done.returncode, done.stdout) == (1, "")
    assert "pid-file cannot change at a reload: it is not set" in done.stderr
    assert t.tinectl("reload").returncode == 1
    assert not os.path.exists(f"{t.folder}/pid")


def test_the_command_line_is_checked_without_a_file(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    assert t.tinectl("check").returncode == 0


def test_a_handler_that_does_not_load_any_more_is_a_failure(
        tine, stage, folder):
    module = pathlib.Path(folder) / "handler.so"
    module.write_bytes(pathlib.Path(stage.example("http_hello")).read_bytes())
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "./handler.so",
             folder=folder)
    new = pathlib.Path(folder) / "new.so"
    new.write_text("no shared object\n")
    os.rename(new, module)
    done = t.tinectl("check")
    assert done.returncode == 1
    assert "handler.so" in done.stderr


def test_the_server_answers_while_a_check_lasts(tine, stage, folder):
    """The constructor of a handler may take its time."""
    module = pathlib.Path(folder) / "handler.so"
    module.write_bytes(pathlib.Path(stage.example("http_hello")).read_bytes())
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "./handler.so",
             folder=folder)
    shutil.copy(stage.handler("slow_constructor"), f"{folder}/new.so")
    os.rename(f"{folder}/new.so", module)
    alone = set(procs.children_of(t.pid))
    with subprocess.Popen([stage.tinectl, "-C", t.control, "check"],
                          stderr=subprocess.PIPE, text=True) as check:
        procs.eventually(lambda: set(procs.children_of(t.pid)) - alone)
        assert t.tinectl("status").returncode == 0
        # Whoever asked goes, and the check with him.
        check.kill()
        check.wait()
    procs.eventually(lambda: set(procs.children_of(t.pid)) == alone)
