# SPDX-License-Identifier: BSD-2-Clause
"""Faulty handlers cost at most their child."""

import re

import pytest

import net
import procs
from tine import REPORT


def echoes(t, times=20):
    for _ in range(times):
        with t.connect(timeout=10) as s:
            s.sendall(b"x")
            assert s.recv(1) == b"x"


def test_a_crash_says_the_signal_and_the_handler(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2",
             stage.handler("crash_later"), "place=1", "after=1200ms",
             reports=True)
    old = t.children()
    line = t.wait_log(r"child 1 \(pid \d+, gen 1\) ended: ", 20)
    t.wait_children(without=[old[1]])
    assert f"pid {old[1]}" in line
    if not t.log(REPORT.pattern):
        assert re.search("SIGSEGV|signal 11", line)
        assert t.log(r"child 1.*SIGSEGV.*crash_later")
    assert t.children()[0] == old[0]
    assert t.status()["master"]["crashes"] >= 1
    echoes(t)


def test_exit_in_a_callback_is_a_death_with_its_code(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("exiter"),
             "code=7", reports=True)
    old = set(t.children().values())
    s = t.connect()
    s.sendall(b"x")
    try:
        assert s.recv(1) == b""
    except ConnectionResetError:
        pass
    line = t.wait_log("ended: ", 10)
    assert re.search(r"exit(ed)?\b.* 7\b", line), line
    procs.eventually(lambda: len(t.children()) == 2, 10, "replaced")
    assert len(old & set(t.children().values())) == 1


def test_a_flood_to_a_peer_that_does_not_read_is_bounded(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-l",
             "tcp://127.0.0.1:0?handler=echo", "-n", "1",
             stage.handler("flooder"))
    (child,) = t.children().values()
    flooded = [t.connect() for _ in range(4)]
    for s in flooded:
        s.sendall(b"x")
    for s in flooded:
        assert s.recv(1) == b"\0"
    echo = [i for i, (_, h) in enumerate(t.listeners) if h == "echo"][0]
    for _ in range(20):
        s = t.connect(echo)
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    assert procs.private_kib(child) < 4 * (8 << 10) + (40 << 10)
    assert t.children()[0] == child


def test_a_flood_is_delivered_to_a_peer_that_reads(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", stage.handler("flooder"))
    s = t.connect()
    s.sendall(b"x")
    wanted = 30 << 20
    assert net.recv_exact(s, wanted) == bytes(wanted)


def test_a_child_out_of_descriptors_leaves_its_queue_to_a_sibling(
        tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("leak"),
             "bytes=1k", limit=150, reports=True)
    s = t.connect()
    for _ in range(200):
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    for _ in range(40):
        with t.connect(timeout=10) as other:
            other.sendall(b"x")
            assert other.recv(1) == b"x"
        if t.log("cannot accept"):
            break
    assert t.wait_log("cannot accept", 5)
    s.close()
    assert len(t.children()) == 2


def test_a_forked_process_of_a_handler_hides_no_death(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("forker"),
             leaves=True)
    victim = t.children()[0]
    assert t.tinectl("kill", 0, timeout=10).returncode == 0
    assert t.children()[0] != victim
    echoes(t)
    assert len(t.obituaries()) == 1


def test_a_forked_process_of_a_handler_does_not_hold_the_address(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("forker"),
             leaves=True)
    port = t.port()
    t.stop(timeout=10)
    u = tine("-l", f"tcp://127.0.0.1:{port}", "-n", "2", "echo")
    echoes(u)


def test_a_handler_that_sleeps_does_not_stop_its_siblings(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-l",
             "unix://socket?handler=echo", "-n", "3", stage.handler("sleeper"),
             "seconds=2")
    slow = t.connect(0)
    slow.sendall(b"zzz")
    unix = [i for i, (u, _) in enumerate(t.listeners) if "unix" in u][0]
    for _ in range(10):
        with t.connect(unix, timeout=5) as s:
            s.sendall(b"x")
            assert s.recv(1) == b"x"
    assert slow.recv(3) == b"zzz"
    assert t.obituaries() == []


@pytest.mark.slow
def test_stop_now_ends_a_child_that_loops(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("busy_loop"))
    children = list(t.children().values())
    t.connect().sendall(b"x")
    procs.eventually(
        lambda: max(map(procs.cpu_seconds, children)) > 0.3, 10, "it loops")
    assert t.tinectl("stop", "--now", timeout=20).returncode == 0
    assert t.wait(5) == 0
    assert procs.wait_gone(children, 1) == []


def test_a_handler_may_stop_the_server_when_it_declares_so(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("stopper"))
    t.connect().sendall(b"stop\n")
    t.close_sockets()
    assert t.wait(10) == 0


def test_a_handler_may_end_the_server_before_it_serves(run_tine, stage):
    done = run_tine("-C", "none", "-l", "tcp://127.0.0.1:0",
                    stage.handler("stopper"), "start=true")
    assert done.returncode == 0
    assert "ready:" not in done.stderr


def test_a_stop_that_was_not_declared_is_ignored(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("whoami"))
    before = t.children()
    s = t.connect()
    net.recv_line(s)
    s.sendall(b"stop\nand go on\n")
    assert net.recv_line(s).split()[0] in map(str, before.values())
    assert t.children() == before
    assert t.status()["master"]["state"] == "running"
