# SPDX-License-Identifier: BSD-2-Clause
"""A child that hangs: siblings serve its queue, it is replaced, and the log
says where it hung. A child that is only stopped for a while comes back."""

import ctypes
import os
import signal
import threading
import time

import pytest

import net
import procs

ADOPTED_SECONDS = 5
REPLACED_SECONDS = 20
FAST = ["-o", "timing.suspect=1s", "-o", "hang-timeout=3s"]
SUSPECT = r"child \d+ \(pid {}\): its heart has not beaten for "
ABORT = r"child \d+ \(pid {}\): hangs for .*: aborting it; "
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def start(tine, *args, n=2, **kwargs):
    return tine("-l", "tcp://127.0.0.1:0", "-n", n, *args, **kwargs)


def child(t, pid):
    return next((c for c in t.status()["children"] if c["pid"] == pid), None)


def wait_state(t, pid, state, timeout=10):
    procs.eventually(lambda: (child(t, pid) or {}).get("state") == state,
                     timeout, f"{pid} {state}")


def all_answer(t, rounds=30):
    """Connections of whichever slot get their bytes back."""
    socks = [t.connect(timeout=ADOPTED_SECONDS) for _ in range(rounds)]
    for s in socks:
        s.sendall(b"x")
    for s in socks:
        assert net.recv_exact(s, 1) == b"x"
        s.close()


def test_a_stopped_childs_queue_is_served_and_it_is_replaced(tine):
    t = start(tine, "echo")
    victim = t.children()[0]
    begin = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    socks = [t.connect() for _ in range(40)]
    for s in socks:
        s.sendall(b"x")
    for s in socks:
        assert net.recv_exact(s, 1) == b"x"
    assert time.monotonic() - begin < ADOPTED_SECONDS
    wait_state(t, victim, "suspect", 3)
    t.wait_children(2, without=[victim], timeout=REPLACED_SECONDS)
    assert time.monotonic() - begin < REPLACED_SECONDS
    line = t.wait_log(ABORT.format(victim))
    assert "handler none, in no callback, 0 connections" in line
    master = t.status()["master"]
    assert (master["hangs"], master["crashes"]) == (1, 1)
    assert t.status()["children"][0]["restarts"] == 1
    all_answer(t)


@pytest.mark.parametrize("handler, options", [
    ("busy_loop", []), ("sleeper", ["seconds=60"])])
@pytest.mark.parametrize("mode", ["reuseport", "shared"])
def test_the_log_says_where_a_child_hung(tine, stage, handler, options, mode):
    t = start(tine, *FAST, "-a", mode, stage.handler(handler), *options,
              reports=True)
    t.connect().sendall(b"x")
    line = t.wait_log(SUSPECT.format(r"\d+"), 10)
    path = stage.handler(handler)
    assert f"handler {path}, in data, 1 connections" in line
    line = t.wait_log(ABORT.format(r"\d+"), 10)
    assert f"handler {path}, in data, 1 connections" in line
    assert "signal 6" in t.wait_log("ended: ", 10)
    t.wait_children(2)
    assert t.status()["master"]["hangs"] == 1


def test_a_child_that_is_continued_in_time_is_ready_again(tine):
    t = start(tine, "-o", "timing.suspect=1s", "-o", "hang-timeout=30s",
              "echo")
    before = t.children()
    victim = before[1]
    os.kill(victim, signal.SIGSTOP)
    wait_state(t, victim, "suspect")
    all_answer(t)
    os.kill(victim, signal.SIGCONT)
    wait_state(t, victim, "ready")
    t.wait_log("its heart beats again")
    assert t.children() == before
    all_answer(t)
    master = t.status()["master"]
    assert (master["hangs"], master["crashes"]) == (0, 0)
    # It took part again: both have accepted something since.
    count = child(t, victim)["accepted"]
    procs.eventually(
        lambda: all_answer(t) or child(t, victim)["accepted"] > count, 10)


def test_all_stopped_at_once_are_all_replaced(tine):
    t = start(tine, *FAST, "echo", n=3)
    before = set(t.children().values())
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    s = t.connect(timeout=REPLACED_SECONDS)
    s.sendall(b"x")
    t.wait_children(3, without=before, timeout=REPLACED_SECONDS)
    assert net.recv_exact(s, 1) == b"x"
    assert t.status()["master"]["hangs"] == 3


def test_a_stopped_master_kills_nobody_when_it_goes_on(tine):
    t = start(tine, *FAST, "echo", n=3)
    before = t.children()
    first = t.log_length()
    t.signal(signal.SIGSTOP)
    all_answer(t)
    net.wait_seconds(5)
    t.signal(signal.SIGCONT)
    net.wait_seconds(3)
    assert t.children() == before
    assert not t.log("heart|hang", first)
    all_answer(t)


def test_children_stopped_with_their_master_live_on(tine):
    """As when a laptop sleeps, or a debugger stops the whole group."""
    t = start(tine, *FAST, "echo", n=3)
    before = t.children()
    everybody = [t.pid, *before.values()]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    net.wait_seconds(5)
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    net.wait_seconds(3)
    assert t.children() == before
    assert t.status()["master"]["hangs"] == 0


def ptrace(request, pid):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(request, pid, 0, 0) != 0:
        pytest.skip(f"ptrace: {os.strerror(ctypes.get_errno())}")


def test_a_child_that_is_debugged_is_left_alone(tine):
    t = start(tine, *FAST, "echo")
    before = t.children()
    ptrace(PTRACE_SEIZE, before[0])
    ptrace(PTRACE_INTERRUPT, before[0])
    procs.eventually(lambda: procs.status_field(before[0], "State")[0] == "t")
    net.wait_seconds(5)
    assert t.children() == before
    os.waitpid(before[0], 0x40000000 | os.WNOHANG)
    ptrace(PTRACE_DETACH, before[0])
    all_answer(t)
    assert not t.log("heart|hang")


def test_a_draining_child_that_hangs_is_ended(tine, stage):
    t = start(tine, *FAST, "-o", "drain-timeout=60s", stage.handler("sleeper"),
              "seconds=60", n=1)
    (victim,) = t.children().values()
    s = t.connect()
    procs.eventually(lambda: child(t, victim)["connections"] == 1)
    drain = threading.Thread(
        target=lambda: t.tinectl("drain", "0"))
    drain.start()
    wait_state(t, victim, "draining")
    s.sendall(b"x")
    drain.join(40)
    t.wait_log(ABORT.format(victim), 1)
    assert not procs.is_alive(victim)
    assert t.status()["master"]["hangs"] == 1
    assert len(t.children()) == 1


def test_a_canary_that_hangs_is_the_end_of_its_reload(tine):
    t = start(tine, *FAST, "-o", "timing.prove=30s", "echo")
    before = t.children()
    results = []
    reload = threading.Thread(
        target=lambda: results.append(t.tinectl("reload")))
    reload.start()
    canary = procs.eventually(lambda: next(
        (c["pid"] for c in t.status()["children"]
         if c["generation"] == 2 and c["state"] == "prepared"), None))
    os.kill(canary, signal.SIGSTOP)
    reload.join(40)
    assert results[0].returncode == 1
    assert "child 0: it hung; " in results[0].stderr
    assert t.children() == before
    master = t.status()["master"]
    assert (master["rollbacks"], master["hangs"]) == (1, 1)


def test_a_stopped_child_does_not_keep_the_server_from_ending(tine):
    t = start(tine, *FAST, "echo")
    os.kill(t.children()[0], signal.SIGSTOP)
    t.stop()
