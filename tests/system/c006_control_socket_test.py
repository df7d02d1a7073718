# SPDX-License-Identifier: BSD-2-Clause
"""The control socket: who may use it, and clients that misbehave."""

import os
import socket
import stat
import subprocess

import pytest

import net
import procs


def control(t):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(t.control)
    return s


def test_the_control_socket_is_for_its_owner_only(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    mode = os.stat(t.control).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_folder_that_others_can_write_is_refused(run_tine, folder):
    os.chmod(folder, 0o777)
    done = run_tine("-l", "tcp://127.0.0.1:0", "-C", f"{folder}/c.sock",
                    "echo")
    assert done.returncode in (73, 77, 78)
    assert folder in done.stderr


def test_a_folder_that_is_a_link_is_refused(run_tine, folder):
    os.mkdir(f"{folder}/real", 0o755)
    os.symlink("real", f"{folder}/link")
    done = run_tine("-l", "tcp://127.0.0.1:0", "-C",
                    f"{folder}/link/c.sock", "echo")
    assert done.returncode in (73, 77, 78)
    assert "link" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_another_user_is_not_let_in(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    os.chmod(t.control, 0o666)
    done = subprocess.run([stage.tinectl, "-C", t.control, "stop"],
                          user="nobody", group="nogroup", extra_groups=[],
                          capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode in (1, 2)
    assert t.status()["master"]["state"] == "running"


def test_a_path_that_was_asked_for_and_is_taken_is_69(tine, run_tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    done = run_tine("-l", "tcp://127.0.0.1:0", "-C", t.control, "echo")
    assert done.returncode == 69
    assert t.control in done.stderr
    assert t.status()["master"]["pid"] == t.pid


@pytest.mark.parametrize("line", [
    b"\n", b"nonsense\n", b"status --json extra words\n", b"\0\0\0\0\n",
    b"kill 99\n", b"kill\n", b"\xff\xfe\n", b"x" * 100_000])
def test_a_senseless_line_gets_a_refusal_and_nothing_breaks(tine, line):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    with control(t) as s:
        try:
            s.sendall(line)
            answer = net.recv_all(s)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
    assert not answer.startswith(b"ok")
    assert t.status()["master"]["state"] == "running"


def test_half_a_line_and_a_close_do_no_harm(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    with control(t) as s:
        s.sendall(b"sto")
    assert t.status()["master"]["state"] == "running"


def test_idle_clients_do_not_block_the_master(tine):
    """More than it serves at once: the others get their turn when those were
    dropped, and a dead child is replaced meanwhile."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    victim = t.children()[0]
    idle = [control(t) for _ in range(100)]
    os.kill(victim, 9)
    t.wait_log(rf"pid {victim}, .*ended", 5)
    with t.connect() as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    for s in idle[20:]:
        s.close()
    t.wait_children(without=[victim], timeout=30)
    for s in idle[:20]:
        s.close()
    assert procs.is_alive(t.pid)
