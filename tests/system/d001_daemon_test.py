# SPDX-License-Identifier: BSD-2-Clause
"""-d: the command returns 0 when the service is ready and not before; else it
says why and returns the master's exit code. Nothing of the caller's is held."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

import net
import procs
from background import running

LISTEN = ["-l", "tcp://127.0.0.1:0", "-n", "2"]


def echoes(sock):
    with sock:
        sock.sendall(b"x")
        return sock.recv(1) == b"x"


def children_of(t):
    return procs.children_of(t.pid)


def test_it_returns_when_the_service_is_ready(background):
    t = background(*LISTEN, "echo")
    assert t.done.returncode == 0
    assert t.done.stdout == t.done.stderr == ""
    assert echoes(t.connect())
    assert "ready: 2 children, tcp://127.0.0.1:" in t.log


def test_the_pidfile_names_the_master_and_goes_with_it(background):
    t = background(*LISTEN, "echo")
    assert procs.title(t.pid).startswith("tine: master")
    t.stop()
    assert not os.path.exists(t.path("tine.pid"))
    assert t.log.rstrip().endswith("info master: stopped")


def test_it_has_a_session_of_its_own_and_no_terminal(background):
    t = background(*LISTEN, "echo")
    assert os.getsid(t.pid) == t.pid
    # A child is not dumpable: only root sees its descriptors.
    for pid in (t.pid, *(children_of(t) if os.getuid() == 0 else ())):
        for fd in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"


@pytest.mark.skipif(os.getuid() != 0,
                    reason="only root sees the descriptors of a child")
def test_a_child_born_later_has_no_terminal_either(background):
    t = background(*LISTEN, "echo")
    old = children_of(t)
    os.kill(old[0], signal.SIGKILL)
    new, = procs.eventually(
        lambda: set(children_of(t)) - set(old), 10, "another child")
    procs.eventually(lambda: all(
        os.readlink(f"/proc/{new}/fd/{fd}") == "/dev/null"
        for fd in range(3)), 10, "/dev/null in the other child")


def test_relative_paths_mean_the_folder_it_was_started_in(background):
    t = background("-l", "unix://echo.sock", *LISTEN, "echo")
    assert t.done.returncode == 0
    assert os.readlink(f"/proc/{t.pid}/cwd") == "/"
    s = socket.socket(socket.AF_UNIX)
    s.connect(t.path("echo.sock"))
    assert echoes(s)
    assert t.tinectl("status").returncode == 0
    t.stop()
    assert sorted(os.listdir(t.folder)) == ["tine.log"]


def test_the_option_of_a_handler_may_be_a_relative_folder(background):
    t = background(*LISTEN, "http", "root=.", start=False)
    with open(t.path("a.txt"), "w", encoding="ascii") as f:
        f.write("a file\n")
    assert t.run().returncode == 0, t.done.stderr
    with t.connect() as s:
        s.sendall(b"GET /a.txt HTTP/1.0\r\n\r\n")
        assert net.recv_all(s).endswith(b"a file\n")


def test_it_serves_on_when_its_folder_is_gone(background):
    t = background(*LISTEN, "echo")
    pid = t.pid
    s = t.connect()
    shutil.rmtree(t.folder)
    assert echoes(s)
    os.kill(procs.children_of(pid)[0], signal.SIGKILL)
    procs.eventually(lambda: len(procs.children_of(pid)) == 2, 10,
                     "another child")
    os.kill(pid, signal.SIGTERM)
    assert not procs.wait_gone([pid], 20)


def test_a_unix_path_too_long_to_be_absolute_stays_relative(background, stage):
    deep = os.path.join(stage.folder(), "d" * 120)
    os.mkdir(deep, 0o755)
    t = background("-l", "unix://echo.sock", "-n", "1", "echo", folder=deep)
    assert t.done.returncode == 0, t.done.stderr
    assert os.readlink(f"/proc/{t.pid}/cwd") == deep
    t.stop()
    assert sorted(os.listdir(deep)) == ["tine.log"]


@pytest.mark.skipif(os.getuid() != 0, reason="root enters every folder")
def test_it_starts_in_a_folder_that_its_children_may_not_enter(background):
    t = background(*LISTEN, "echo", start=False)
    os.chmod(t.folder, 0o700)
    assert t.run().returncode == 0, t.done.stderr
    assert echoes(t.connect())


# ---- starts that fail ----

@pytest.mark.parametrize("args,code,why", [
    (["nosuch"], 78, "nosuch"),
    (["http", "root=none"], 78, "root"),
    (["-L", "stderr", "echo"], 64, "twice"),
    (["-o", "start-timeout=x", "echo"], 78, "start-timeout"),
    (["-X", "echo"], 64, "exclude")])
def test_what_the_operator_got_wrong_is_said(background, args, code, why):
    t = background(*LISTEN, *args)
    assert t.done.returncode == code, t.done.stderr
    assert why in t.done.stderr
    assert not os.path.exists(t.path("tine.pid"))
    assert not running(t.stage.tine)


def test_a_busy_port_is_69_and_names_its_holder(background):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        t = background("-l", f"tcp://127.0.0.1:{s.getsockname()[1]}", "echo")
    assert t.done.returncode == 69
    assert f"(pid {os.getpid()})" in t.done.stderr
    assert not os.path.exists(t.path("tine.pid"))
    assert not running(t.stage.tine)


def test_a_handler_that_cannot_start_gives_its_reason(background, stage):
    t = background(*LISTEN, stage.handler("fatal"), "text=no database")
    assert t.done.returncode == 69
    assert "no database" in t.done.stderr
    assert not os.path.exists(t.path("tine.pid"))
    assert not running(t.stage.tine)


def test_a_handler_that_stops_the_server_at_once_is_no_success(
        background, stage):
    t = background(*LISTEN, stage.handler("stopper"), "start=true")
    assert t.done.returncode == 1
    assert "stopped before it was ready" in t.done.stderr


@pytest.mark.parametrize("number,why", [
    (signal.SIGKILL, "ended before it was ready: signal 9 (Killed)"),
    (signal.SIGTERM, "stopped before it was ready")])
def test_the_end_of_the_master_before_it_is_ready_is_told(
        background, stage, number, why):
    t = background(*LISTEN, "-o", "timing.orphan=1s",
                   stage.handler("never_ready"), start=False)
    with t.popen() as caller:
        os.kill(t.wait_pid(), number)
        assert caller.wait(30) == 1
        assert why in caller.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_caller_that_goes_away_takes_the_start_with_it(
        background, stage, number):
    t = background(*LISTEN, stage.handler("never_ready"), start=False)
    with t.popen() as caller:
        pid = t.wait_pid()
        caller.send_signal(number)
        assert caller.wait(30) == -number
    assert not procs.wait_gone([pid], 20)
    assert not os.path.exists(t.path("tine.pid"))


def test_a_caller_without_stderr_learns_the_exit_code(background, stage):
    t = background(*LISTEN, stage.handler("fatal"), start=False)
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *t.argv],
                          timeout=60, check=False, **t.options)
    assert done.returncode == 69


# ---- the log ----

def test_the_log_stderr_is_refused(run_tine):
    done = run_tine("-d", "-C", "none", *LISTEN, "-L", "stderr", "echo")
    assert done.returncode == 78
    assert "--log syslog" in done.stderr


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="there is a syslog")
def test_without_a_log_and_without_a_syslog_daemon_it_is_73(run_tine):
    done = run_tine("-d", "-C", "none", *LISTEN, "echo")
    assert done.returncode == 73
    assert "/dev/log" in done.stderr and "--log FILE" in done.stderr
