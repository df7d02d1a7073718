# SPDX-License-Identifier: BSD-2-Clause
"""tinectl stop: returns when the master is gone, gently or at once."""

import os
import signal
import threading
import time

import net
import procs


def test_stop_returns_when_master_and_children_are_gone(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    children = list(t.children().values())
    done = t.tinectl("stop")
    assert done.returncode == 0, done.stderr
    assert t.wait(2) == 0
    assert not any(procs.is_alive(pid) for pid in children)


def test_stop_lets_an_open_connection_finish(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    s = t.connect()
    s.sendall(b"before")
    assert s.recv(6) == b"before"
    results = []
    stopper = threading.Thread(
        target=lambda: results.append(t.tinectl("stop")))
    stopper.start()
    procs.eventually(lambda: t.status()["master"]["state"] == "stopping", 5,
                     "stopping")
    s.sendall(b"after")
    assert s.recv(5) == b"after"
    s.close()
    stopper.join(10)
    assert results[0].returncode == 0
    assert t.wait(2) == 0


def test_a_stopping_server_refuses_new_connections(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    address = t.address()
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    t.signal(15)
    procs.eventually(lambda: net.is_refused(address), 5, "refused")
    s.sendall(b"y")
    assert s.recv(1) == b"y"


def test_stop_now_does_not_wait_for_connections(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    done = t.tinectl("stop", "--now", timeout=10)
    assert done.returncode == 0, done.stderr
    assert t.wait(2) == 0


def test_stop_now_overtakes_a_graceful_stop(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    t.signal(15)
    procs.eventually(lambda: t.status()["master"]["state"] == "stopping", 5,
                     "stopping")
    assert t.tinectl("stop", "--now", timeout=10).returncode == 0
    assert t.wait(2) == 0


def test_the_control_socket_is_gone_after_the_stop(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    t.tinectl("stop")
    t.wait(5)
    assert net.is_refused(t.control)


def test_a_death_during_the_drain_delay_does_not_end_it(tine):
    t = tine("-o", "timing.drain-delay=2s", "-n", "1", "-l", "tcp://127.0.0.1:0",
             "echo")
    begin = time.monotonic()
    t.signal(signal.SIGTERM)
    t.wait_log("accepting for 2 s more")
    (victim,) = t.children().values()
    os.kill(victim, signal.SIGKILL)
    t.wait_children(1, without=[victim])
    with t.connect() as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    assert t.wait() == 0
    assert time.monotonic() - begin >= 2
