# SPDX-License-Identifier: BSD-2-Clause
"""-X: one process that serves, for a debugger."""

import signal

import procs


def test_single_serves_without_a_child(tine):
    t = tine("-X", "-l", "tcp://127.0.0.1:0", "upper", control=False)
    assert procs.children_of(t.pid) == []
    s = t.connect()
    s.sendall(b"abc")
    assert s.recv(3) == b"ABC"


def test_single_ends_with_0_at_a_term(tine):
    t = tine("-X", "-l", "tcp://127.0.0.1:0", "echo", control=False)
    t.signal(signal.SIGTERM)
    assert t.wait() == 0


def test_single_serves_several_addresses_and_a_unix_socket(tine):
    t = tine("-X", "-l", "tcp://127.0.0.1:0", "-l", "unix://socket", "echo",
             control=False)
    for i in (0, 1):
        s = t.connect(i)
        s.sendall(b"abc")
        assert s.recv(3) == b"abc"


def test_a_second_interrupt_ends_single_at_once(tine):
    t = tine("-X", "-l", "tcp://127.0.0.1:0", "echo", control=False)
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    t.signal(signal.SIGINT)
    t.wait_log("draining", 5)
    t.signal(signal.SIGINT)
    assert t.wait(5) == 0
