# SPDX-License-Identifier: BSD-2-Clause
"""More children and fewer, by signal and by tinectl."""

import os
import shutil
import signal
import socket

import pytest

import net
import procs
from reload import ask_whoami, echoes, master, wait_state

FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0")


def slots(t):
    return t.status()["listeners"][0]["slots"]


def scale(t, to, code=0):
    done = t.tinectl("scale", to)
    assert done.returncode == code, done.stderr
    return done


def test_it_returns_when_the_new_children_serve(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, stage.handler("whoami"))
    assert "4 children" in scale(t, 4).stdout
    assert set(t.children()) == {0, 1, 2, 3}
    assert {ask_whoami(t)[1] for _ in range(200)} == {0, 1, 2, 3}
    assert master(t)["processes"] == 4


def test_signals_step_by_one_and_add_up(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "echo")
    t.signal(signal.SIGTTIN)
    t.wait_log("signal TTIN")
    t.signal(signal.SIGTTIN)
    assert len(t.wait_children(4)) == 4
    t.signal(signal.SIGTTOU)
    assert len(t.wait_children(3)) == 3


def test_there_is_always_one(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, "echo")
    old = t.children()
    t.signal(signal.SIGTTOU)
    t.wait_log("scale: nothing to do, children: 1")
    wait_state(t)
    assert t.children() == old


def test_clients_of_those_that_leave_are_served_to_the_end(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 4, "echo")
    held = [t.connect() for _ in range(60)]
    assert all(echoes(s) for s in held)
    t.signal(signal.SIGTTOU)
    t.wait_log("signal TTOU")
    procs.eventually(lambda: t.children("draining"))
    assert all(echoes(s) for s in held)
    t.close_sockets()
    procs.eventually(lambda: not t.children("draining"))
    assert master(t)["crashes"] == 0


def test_nobody_new_goes_to_a_place_that_leaves(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 4, stage.handler("whoami"))
    scale(t, 1)
    assert {ask_whoami(t)[1] for _ in range(100)} == {0}


def test_parked_slots_are_taken_over_when_children_come_back(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 8, "echo")

    def sockets():
        kinds = {}
        for fd in os.listdir(f"/proc/{t.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{t.pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            kinds[target] = fd
        return {x for x in kinds if x in listening()}

    def listening():
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return {f"socket:[{r[9]}]" for r in rows if r[3] == "0A"}

    before = sockets()
    assert len(before) == 8
    scale(t, 1)
    assert sockets() == before
    scale(t, 8)
    assert sockets() == before
    assert len(t.wait_children(8)) == 8


@pytest.mark.skipif(os.getuid() != 0, reason="needs a network of its own")
def test_a_parked_slot_is_closed_when_no_handshake_can_be_open(tine):
    with open("/proc/sys/net/ipv4/tcp_synack_retries", "r+",
              encoding="ascii") as f:
        before = f.read()
        f.seek(0)
        f.write("0")
    try:
        t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, "echo")
        kinds = len(procs.fd_kinds(t.pid))
        stays = t.children()[0]
        held = len(procs.fd_kinds(stays))
        scale(t, 1)
        t.connect().close()
        # Two sockets, two channels, two of processes, two of pages.
        procs.eventually(
            lambda: procs.fd_kinds(t.pid).count("socket:")
            < kinds - 2 and slots(t) == 1, 15,
            "the sockets of both places are closed")
        procs.eventually(lambda: len(procs.fd_kinds(stays)) <= held,
                         what="who had adopted them has closed them too")
        for _ in range(60):
            with t.connect() as s:
                assert echoes(s)
        scale(t, 3)
        assert slots(t) == 3
    finally:
        with open("/proc/sys/net/ipv4/tcp_synack_retries", "w",
                  encoding="ascii") as f:
            f.write(before)


def half_open(address, n):
    """Connections whose clients have not said anything: with defer-accept the
    server has not been told of them."""
    made = []
    for _ in range(n):
        s = socket.create_connection(address, 10)
        made.append(s)
    return made


def test_deferred_handshakes_survive_a_scale_down(tine):
    t = tine("-l", "tcp://127.0.0.1:0?defer-accept=30s", "-n", 8, "echo")
    waiting = half_open(t.address(), 50)
    scale(t, 1)
    lost = 0
    for s in waiting:
        try:
            lost += not echoes(s)
        except (ConnectionError, TimeoutError):
            lost += 1
        s.close()
    assert lost == 0


def test_growth_that_fails_is_taken_back(tine, stage, folder):
    module = f"{folder}/handler.so"
    shutil.copy(stage.handler("whoami"), module)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, module, reports=True)
    old = t.children()
    shutil.copy(stage.handler("crash_third"), f"{folder}/new.so")
    shutil.move(f"{folder}/new.so", module)
    done = scale(t, 4, code=1)
    assert "only 1 of 2 new children got ready" in done.stderr
    procs.eventually(lambda: t.children() == old)
    assert master(t)["processes"] == 2
    assert {ask_whoami(t)[1] for _ in range(50)} == {0, 1}
    for _ in range(3):
        assert not net.is_refused(t.address())
