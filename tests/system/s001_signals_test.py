# SPDX-License-Identifier: BSD-2-Clause
"""Signals to the master."""

import os
import pty
import signal
import socket

import pytest

import net
import procs


def echoes(sock):
    sock.sendall(b"x")
    return sock.recv(1) == b"x"


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_a_stop_signal_ends_with_0_and_leaves_no_process(tine, name):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    children = list(t.children().values())
    t.signal(signal.Signals[f"SIG{name}"])
    assert t.wait() == 0
    assert procs.wait_gone(children, 2) == []


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_a_stop_signal_lets_open_connections_finish(tine, name):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    address = t.address()
    s = t.connect()
    assert echoes(s)
    t.signal(signal.Signals[f"SIG{name}"])
    procs.eventually(lambda: net.is_refused(address), 5, "refused")
    assert echoes(s)
    s.close()
    assert t.wait(5) == 0


def test_a_second_stop_signal_ends_at_once_with_0(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    s = t.connect()
    assert echoes(s)
    t.signal(signal.SIGTERM)
    procs.eventually(lambda: t.status()["master"]["state"] == "stopping", 5,
                     "stopping")
    t.signal(signal.SIGTERM)
    assert t.wait(5) == 0


@pytest.mark.parametrize("name", ["WINCH", "PIPE"])
def test_an_ignored_signal_changes_nothing(tine, name):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    before = t.children()
    t.signal(signal.Signals[f"SIG{name}"])
    assert t.children() == before
    assert echoes(t.connect())


@pytest.mark.parametrize("name", ["INT", "QUIT", "HUP", "USR1", "USR2",
                                  "TTIN", "TTOU", "WINCH", "PIPE"])
def test_a_child_ignores_what_the_terminal_and_operators_send(tine, name):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    before = t.children()
    s = [t.connect() for _ in range(8)]
    assert all(map(echoes, s))
    for pid in before.values():
        os.kill(pid, signal.Signals[f"SIG{name}"])
    assert all(map(echoes, s))
    assert t.children() == before


def test_a_term_to_a_child_replaces_it_and_cuts_nothing(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("whoami"))
    s = t.connect()
    pid, place = map(int, net.recv_line(s).split()[:2])
    os.kill(pid, signal.SIGTERM)
    t.wait_children(without=[pid])
    s.sendall(b"\n")
    assert net.recv_line(s).split()[:2] == [str(pid), str(place)]
    s.close()
    assert procs.wait_gone([pid], 5) == []


def test_a_term_to_the_whole_group_stops_the_server_with_0(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    os.killpg(t.pid, signal.SIGTERM)
    assert t.wait() == 0


def connect_unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    return s


class Terminal:
    """tine as the foreground process of a terminal."""

    def __init__(self, argv, folder):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execv(argv[0], argv)
        self.text = b""

    def wait_for(self, word):
        def seen():
            self.text += os.read(self.fd, 4096)
            return word in self.text
        procs.eventually(seen, 30, word)

    def exit_code(self):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_in_a_terminal_ends_with_0(stage, folder, presses):
    path = f"{folder}/socket"
    term = Terminal([stage.tine, "-C", "none", "-l", f"unix://{path}", "-n",
                     "2", "echo"], folder)
    term.wait_for(b"tine: ready:")
    with connect_unix(path) as s:
        assert echoes(s)
        if presses == 1:
            s.close()
        os.write(term.fd, b"\x03")
        if presses == 2:
            procs.eventually(lambda: net.is_refused(path), 5, "refused")
            assert echoes(s)
            os.write(term.fd, b"\x03")
        assert term.exit_code() == 0
