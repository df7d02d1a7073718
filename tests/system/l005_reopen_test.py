# SPDX-License-Identifier: BSD-2-Clause
"""tinectl reopen and SIGUSR1: what they wait for, and what they say when it
cannot be done."""

import os
import signal
import time

import pytest

import logs
import procs


def test_a_child_that_does_not_answer_is_named_and_not_waited_for(
        tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", path, "echo",
             folder=folder)
    stopped = t.children()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        done = t.tinectl("reopen")
        took = time.monotonic() - begin
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert done.returncode == 1
    assert f"child 0 (pid {stopped}, suspect) has not answered" in done.stderr
    assert 4 < took < 20
    assert [x for x in logs.read(path) if f"(pid {stopped}): has not taken" in x]
    assert t.tinectl("reopen").returncode == 0


def test_a_child_that_is_killed_meanwhile_is_not_waited_for(tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", path, "echo",
             folder=folder)
    old = t.children()[0]
    os.kill(old, signal.SIGSTOP)
    pidfd = os.pidfd_open(old)
    os.rename(path, path + ".1")
    t.signal(signal.SIGUSR1)
    procs.eventually(lambda: os.path.exists(path), 5)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    t.wait_children(2, without=[old])
    done = t.tinectl("reopen")
    assert done.returncode == 0, done.stderr
    assert [x for x in logs.read(path) if f"child 0 (pid {old}," in x]


@pytest.mark.parametrize("how", ["tinectl", "signal"])
def test_a_reopen_that_fails_leaves_the_old_log(tine, folder, how):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", path, "echo",
             folder=folder)
    os.rename(path, path + ".1")
    os.symlink("/dev/null", path)
    if how == "tinectl":
        done = t.tinectl("reopen")
        assert done.returncode == 1
        assert f"log file {path}: " in done.stderr
    else:
        t.signal(signal.SIGUSR1)
    procs.eventually(
        lambda: [x for x in logs.read(path + ".1")
                 if "error master: the old log stays in use" in x], 5)
    assert "the old log stays" in t.status()["master"]["last_error"]
    os.unlink(path)
    assert t.tinectl("reopen").returncode == 0
    t.stop()
    assert "master: stopped" in logs.read(path)[-1]


def test_reopen_is_harmless_when_the_log_is_stderr(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    for _ in range(20):
        assert t.tinectl("reopen").returncode == 0
    t.signal(signal.SIGUSR1)
    t.wait_log("info master: the log was opened anew", count=21)
    kinds = {pid: len(procs.fd_kinds(pid))
             for pid in (t.pid, *t.children().values())} \
        if os.getuid() == 0 else {}
    assert t.tinectl("reopen").returncode == 0
    for pid, count in kinds.items():
        assert len(procs.fd_kinds(pid)) == count
    t.connect().close()


def test_a_log_below_a_folder_that_everybody_writes_is_refused_to_root(
        run_tine, folder):
    if os.getuid() != 0:
        pytest.skip("only for root")
    os.chmod(folder, 0o777)
    done = run_tine("-L", os.path.join(folder, "x.log"), "-C", "none", "-l",
                    "tcp://127.0.0.1:0", "echo")
    assert done.returncode == 73
    assert "everybody can write the folder" in done.stderr
    assert os.listdir(folder) == []


def test_a_file_of_another_folder_is_found_after_the_start_folder_is_gone(
        tine, stage):
    start = os.path.join(stage.folder(), "start")
    os.mkdir(start)
    path = os.path.join(stage.folder(), "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", path, "echo",
             folder=start)
    os.rename(start, start + ".moved")
    os.rename(path, path + ".1")
    t.control = os.path.join(start + ".moved", "control.sock")
    assert t.tinectl("reopen").returncode == 0
    assert os.path.exists(path)
    os.rename(start + ".moved", start)
