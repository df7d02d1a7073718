# SPDX-License-Identifier: BSD-2-Clause
"""Reloads on top of each other, of scalings, and of stops."""

import contextlib
import os
import shutil
import signal

import pytest

import net
import procs
from reload import (ask_whoami, echoes, generation, master, reload,
                    start_ctl, wait_state)

FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0")


def test_three_hups_during_a_reload_are_one_more(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, "-o", "timing.prove=1s",
             "-o", "timing.commit=0", "echo")
    t.signal(signal.SIGHUP)
    procs.eventually(lambda: t.children("prepared"))
    for i in range(3):
        t.signal(signal.SIGHUP)
        t.wait_log("signal HUP", count=2 + i)
    t.wait_log("generation 3 serves", 15)
    wait_state(t)
    assert master(t)["reloads"] == 2
    assert not t.log("generation 4 serves")


def test_each_waiting_command_hears_of_its_own(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, *FAST, "echo")
    waiters = [start_ctl(t, "reload") for _ in range(4)]
    assert [w.wait(30) for w in waiters] == [0] * 4
    assert master(t)["reloads"] in range(1, 5)
    for w in waiters:
        w.communicate()


def test_a_reload_that_is_watched_is_committed_for_the_next(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, "-o", "timing.prove=0",
             "-o", "timing.commit=1h", "echo")
    first = start_ctl(t, "reload")
    t.wait_log("generation 2 serves")
    assert first.poll() is None
    t.signal(signal.SIGHUP)
    assert first.wait(10) == 0
    first.communicate()
    t.wait_log("generation 3 serves")


def test_scale_and_reload_on_top_of_each_other_both_happen(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-o", "timing.prove=500ms",
             "-o", "timing.commit=0", "echo")
    waiters = [start_ctl(t, "reload"), start_ctl(t, "scale", 4),
               start_ctl(t, "reload"), start_ctl(t, "scale", 3)]
    codes = [w.wait(40) for w in waiters]
    for w in waiters:
        w.communicate()
    assert codes == [0] * 4
    wait_state(t)
    assert len(t.wait_children(master(t)["processes"])) in (3, 4)
    assert generation(t) > 1
    assert master(t)["crashes"] == 0


PHASES = {
    "checking": None,
    "proving": lambda t: t.children("prepared"),
    "waiting": lambda t: master(t)["state"] == "reloading",
    "watching": lambda t: generation(t) == 2,
}


@pytest.mark.parametrize("delay", ["0", "1s"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_stop_in_each_phase_ends_all(tine, phase, delay):
    prove = "1s" if phase == "proving" else "0"
    commit = "0" if phase == "waiting" else "1h"
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2,
             "-o", f"timing.prove={prove}", "-o", f"timing.commit={commit}",
             "-o", f"timing.drain-delay={delay}", "-o", "drain-timeout=2s",
             "-o", "max-old-generations=1", "echo")
    held = []
    if phase == "waiting":
        held = [t.connect() for _ in range(8)]
        assert all(echoes(s) for s in held)
        reload(t)
    waiter = start_ctl(t, "reload")
    if PHASES[phase]:
        procs.eventually(lambda: PHASES[phase](t))
    else:
        t.wait_log("reload asked for")
    with t.connect() as s:
        t.signal(signal.SIGTERM)
        t.wait_log("accepting for 1 s more" if delay != "0" else "stopping")
        if delay != "0":
            assert echoes(s)
            # Nothing new begins, and nothing breaks.
            t.signal(signal.SIGHUP)
    _, said = waiter.communicate(timeout=20)
    assert waiter.returncode == 1
    assert "the server is stopping" in said
    t.close_sockets()
    assert t.wait() == 0
    assert t.log("stopped")


def test_after_drain_delay_the_server_serves_on_and_then_ends(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, *FAST, "-o",
             "timing.drain-delay=1s", "echo")
    t.signal(signal.SIGTERM)
    t.wait_log("accepting for 1 s more")
    for _ in range(5):
        with t.connect() as s:
            assert echoes(s)
    for sig in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
        t.signal(sig)
    assert t.wait() == 0


def test_kills_during_a_reload_undo_nothing(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 4, "-o", "timing.prove=500ms",
             "-o", "timing.commit=1s", stage.handler("whoami"))
    waiter = start_ctl(t, "reload")
    killed = set()
    while waiter.poll() is None:
        for pid in set(t.children().values()) - killed:
            if len(killed) < 8:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        net.wait_seconds(0.05)
    waiter.communicate()
    assert waiter.returncode == 0
    t.wait_children(4, without=killed)
    assert master(t)["rollbacks"] == 0
    assert {ask_whoami(t)[3] for _ in range(20)} == {2}


def test_a_master_that_did_not_start_all_children_reloads_all_the_same(
        tine, stage, folder):
    module = f"{folder}/handler.so"
    shutil.copy(stage.handler("crash_third"), module)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, "-o", "start-timeout=2s",
             *FAST, module, ready=False, reports=True)
    t.wait_serving(2)
    shutil.copy(stage.handler("whoami"), f"{folder}/new.so")
    shutil.move(f"{folder}/new.so", module)
    assert t.tinectl("reload").returncode == 0
    assert len(t.wait_children(3)) == 3


def test_a_stop_finds_children_that_were_just_called_back(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-o", "timing.prove=0",
             "-o", "timing.commit=1h", "-o", "hang-timeout=1h",
             "-o", "timing.suspect=50min", "-o", "drain-timeout=1h", "echo",
             reports=True)
    old = t.children()
    held = [t.connect() for _ in range(20)]
    assert all(echoes(s) for s in held)
    waiter = start_ctl(t, "reload")
    t.wait_log("generation 2 serves")
    t.wait_log("draining, connections open.*reload", count=2)
    for pid in old.values():
        os.kill(pid, signal.SIGSTOP)
    os.kill(t.children()[0], signal.SIGSEGV)
    t.wait_log("going back to generation 1")
    t.signal(signal.SIGTERM)
    t.wait_log("stopping")
    for pid in old.values():
        os.kill(pid, signal.SIGCONT)
    t.wait_log("draining, connections open.*stop")
    assert all(echoes(s) for s in held)
    t.close_sockets()
    assert t.wait(10) == 0
    waiter.communicate()
    assert not t.log("connections cut")
