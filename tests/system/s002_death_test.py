# SPDX-License-Identifier: BSD-2-Clause
"""One child dies: one line about it, the others serve, it is replaced."""

import os
import re
import signal

import pytest

import net
import procs


def test_a_death_is_one_line_with_signal_age_place_and_state(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    victim = t.children()[1]
    os.kill(victim, signal.SIGKILL)
    t.wait_children(without=[victim])
    t.wait_log("ended: ")
    (line,) = t.obituaries()
    assert re.search(rf"child 1 \(pid {victim}, gen 1\) ended: .*"
                     r"(SIGKILL|signal 9).*, \d+\.\d+ s old, was ready", line)


@pytest.mark.parametrize("mode", ["reuseport", "shared"])
def test_no_client_is_refused_while_a_child_is_dead(tine, stage, mode):
    """Its slot is served by a sibling at once, whoever the kernel chose."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "-a", mode,
             stage.handler("whoami"))
    victim = t.children()[1]
    os.kill(victim, signal.SIGKILL)
    for _ in range(60):
        with t.connect(timeout=5) as s:
            assert net.recv_line(s).split()[0] != str(victim)
    t.wait_children(without=[victim])


def test_connections_wait_while_the_only_child_is_dead(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    for _ in range(5):
        (victim,) = t.children().values()
        os.kill(victim, signal.SIGKILL)
        with t.connect(timeout=10) as s:
            s.sendall(b"patience")
            assert s.recv(8) == b"patience"
        t.wait_children(without=[victim])


def test_connections_of_siblings_live_on(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("whoami"))
    held = {}
    while len(held) < 2:
        s = t.connect()
        held.setdefault(int(net.recv_line(s).split()[0]), s)
    victim, other = held
    os.kill(victim, signal.SIGKILL)
    t.wait_children(without=[victim])
    held[other].sendall(b"\n")
    assert net.recv_line(held[other]).split()[0] == str(other)


def test_all_children_killed_at_once_are_all_replaced(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://socket", "-n", "4",
             "echo")
    old = list(t.children().values())
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    for i in (0, 1):
        s = t.connect(i)
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    t.wait_children(without=old)
    assert len(t.obituaries()) == 4


def test_deaths_are_not_crashes_when_somebody_else_killed(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    old = t.children()
    assert t.tinectl("kill", 0).returncode == 0
    os.kill(old[1], signal.SIGKILL)
    t.wait_children(without=old.values())
    assert [c["restarts"] for c in t.status()["children"]] == [1, 1]


def test_no_process_is_left_as_a_zombie(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    for _ in range(3):
        victim = t.children()[0]
        os.kill(victim, signal.SIGKILL)
        t.wait_children(without=[victim])
        procs.eventually(lambda: not os.path.exists(f"/proc/{victim}"), 5,
                         "the child is reaped")
