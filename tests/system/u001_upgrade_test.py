# SPDX-License-Identifier: BSD-2-Clause
"""Upgrade in place: the same process becomes what is on disk, each child is
replaced, and nobody notices."""

import os
import signal
import socket
import threading

import pytest

import net
import procs
import upgrade
from load import Client, target

LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "2", *upgrade.QUICK)


def test_the_pid_stays_and_every_child_is_new(tine):
    t = tine(*LISTEN, "echo")
    before = set(t.children().values())
    said = upgrade.good(t)
    assert "generation 2, 2 children" in said
    after = t.wait_children(2, without=before)
    assert len(after) == 2
    assert t.status()["master"]["pid"] == t.pid
    assert t.status()["master"]["upgrades"] == 1
    assert procs.status_field(t.pid, "Name") == "tine"
    assert procs.title(t.pid).startswith("tine: master")


def test_no_request_fails_while_it_upgrades_again_and_again(tine, stage):
    e = tine(*LISTEN, "echo")
    with Client(stage, e.folder, "echo", target(e.address()), rate=200,
                bytes=200, pace=1000) as load:
        for _ in range(10):
            upgrade.good(e)
        report = load.finish()
    assert not any(report["failures"].values()), report
    assert e.status()["master"]["upgrades"] == 10


@pytest.mark.load
def test_twenty_upgrades_leave_no_descriptor_and_no_memory(tine):
    t = tine(*LISTEN, "echo")
    upgrade.good(t)
    t.wait_children(2)
    before = upgrade.descriptors(t.pid)
    size = procs.private_kib(t.pid)
    for _ in range(20):
        upgrade.good(t)
    procs.eventually(lambda: len(t.status()["children"]) == 2,
                     what="old children gone")
    upgrade.same_descriptors(t, before)
    assert procs.private_kib(t.pid) < size + 512


def test_twenty_failed_upgrades_leave_no_descriptor(tine, stage, folder):
    own = upgrade.put(stage.tine, f"{folder}/tine")
    t = tine(*LISTEN, "echo", folder=folder, program=own)
    before = upgrade.descriptors(t.pid)
    upgrade.cut(own, 10000)
    for _ in range(20):
        upgrade.bad(t)
    upgrade.put(stage.tine, own)
    upgrade.same_descriptors(t, before)
    upgrade.good(t)
    upgrade.same_descriptors(t, before)


def test_an_old_child_ends_what_it_began(tine):
    t = tine(*LISTEN, "echo")
    s = t.connect()
    s.sendall(b"before\n")
    assert net.recv_exact(s, 7) == b"before\n"
    upgrade.good(t)
    s.sendall(b"after\n")
    assert net.recv_exact(s, 6) == b"after\n"
    s.close()
    procs.eventually(lambda: len(t.status()["children"]) == 2,
                     what="the old child is gone")


def test_counters_never_go_back(tine):
    t = tine(*LISTEN, "echo")
    for i in range(3):
        for _ in range(4):
            s = t.connect()
            s.sendall(b"x")
            assert s.recv(1) == b"x"
            s.close()
        procs.eventually(lambda: t.status()["totals"]["accepted"] ==
                         4 * (i + 1), what="the connections are counted")
        upgrade.good(t)
        assert t.status()["totals"]["accepted"] == 4 * (i + 1)
    t.signal(signal.SIGHUP)
    procs.eventually(lambda: t.status()["master"]["reloads"] == 1, what="a reload")
    upgrade.good(t)
    assert t.status()["master"]["reloads"] == 1
    assert t.status()["master"]["upgrades"] == 4


def test_usr2_upgrades_too(tine):
    t = tine(*LISTEN, "echo")
    t.signal(signal.SIGUSR2)
    procs.eventually(lambda: t.status()["master"]["upgrades"] == 1, what="an upgrade")
    assert t.log("signal USR2")


def test_what_was_set_at_run_time_stays(tine):
    t = tine(*LISTEN, "echo")
    assert t.tinectl("log-level", "debug").returncode == 0
    assert t.tinectl("scale", "3").returncode == 0
    upgrade.good(t)
    t.wait_children(3)
    first = t.log_length()
    upgrade.good(t)
    t.wait_log("debug child", first=first)
    # What the operator chose stays until the configuration changes.
    assert t.tinectl("reload").returncode == 0
    t.wait_children(3)


def test_the_environment_the_mask_and_the_folder_stay(tine):
    t = tine(*LISTEN, "echo", env={"TINE_UPGRADE_ERROR": "x", "ELSE": "y"})

    def facts():
        with open(f"/proc/{t.pid}/environ", "rb") as f:
            env = sorted(x for x in f.read().split(b"\0")
                         if x.startswith(b"ELSE="))
        return (env, os.readlink(f"/proc/{t.pid}/cwd"),
                procs.status_field(t.pid, "Umask"),
                procs.status_field(t.pid, "SigBlk"),
                procs.status_field(t.pid, "SigIgn"),
                procs.status_field(t.pid, "SigCgt"))

    before = facts()
    upgrade.good(t)
    upgrade.good(t)
    assert facts() == before


def test_a_scaled_down_server_keeps_its_parked_slots(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4", *upgrade.QUICK, "echo")
    assert t.tinectl("scale", "1").returncode == 0
    slots = [x["slots"] for x in t.status()["listeners"]]
    upgrade.good(t)
    assert [x["slots"] for x in t.status()["listeners"]] == slots
    for _ in range(50):
        s = t.connect()
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        s.close()
    assert t.tinectl("scale", "4").returncode == 0
    t.wait_children(4)


class Killer:
    """Kills a child whenever there is one, until the end."""

    def __init__(self, server):
        self.server = server
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.wait(0.05):
            for pid in procs.children_of(self.server.pid)[-1:]:
                if procs.title(pid).startswith("tine: child"):
                    os.kill(pid, signal.SIGKILL)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def test_a_child_that_dies_meanwhile_is_replaced(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", *upgrade.QUICK, "echo")
    for _ in range(5):
        with Killer(t):
            upgrade.good(t)
        t.wait_children(3)


def test_clients_that_wait_get_their_answers(tine):
    """Half a line before, the rest of it after; a command that waits; a reader
    that is slow."""
    t = tine(*LISTEN, "-o", "drain-timeout=20s", "echo")
    half = socket.socket(socket.AF_UNIX)
    half.connect(t.control)
    half.sendall(b"sta")
    slow = socket.socket(socket.AF_UNIX)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    slow.connect(t.control)
    slow.sendall(b"metrics\n")
    held = t.connect()
    held.sendall(b"x")
    assert held.recv(1) == b"x"
    place = next(c["place"] for c in t.status()["children"]
                 if c["connections"] == 1)
    drain = socket.socket(socket.AF_UNIX)
    drain.connect(t.control)
    drain.sendall(f"drain {place}\n".encode())
    check = socket.socket(socket.AF_UNIX)
    check.connect(t.control)
    check.sendall(b"check\n")
    upgrade.good(t)
    half.sendall(b"tus\n")
    assert net.recv_all(half).startswith(b"ok\n{")
    text = net.recv_all(slow)
    assert text.startswith(b"ok\n") and text.endswith(b"\n")
    assert net.recv_all(check).startswith(b"ok")
    held.close()
    assert net.recv_all(drain).startswith(b"ok")
    for s in (half, slow, drain, check):
        s.close()
