# SPDX-License-Identifier: BSD-2-Clause
"""Children that have had their connections, age or memory are replaced, their
successors first, and nobody notices."""

import pytest

import net
import procs
from load import Client, target


def recycled(t, why):
    return t.log(rf"child \d+ \(pid \d+\): is recycled: {why}")


def settled(t, n):
    """As wanted again: everybody READY, nobody more, nothing counted."""
    t.wait_children(n)
    master = t.status()["master"]
    assert master["min_accepting"] == n
    assert (master["crashes"], master["hangs"]) == (0, 0)


@pytest.mark.parametrize("mode", ["reuseport", "shared"])
def test_children_that_had_their_connections_are_replaced(
        tine, stage, folder, mode):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-a", mode,
             "-o", "recycle.connections=100", "echo")
    before = set(t.children().values())
    with Client(stage, folder, "echo", target(t.address()), rate=200,
                bytes=64, pace=6400) as load:
        procs.eventually(
            lambda: not before & set(t.children().values()), 40,
            "everybody was replaced")
        report = load.finish()
    assert not any(report["failures"].values()), report
    assert len(recycled(t, "connections")) >= 2
    settled(t, 2)


def test_an_idle_server_recycles_by_age_only(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4",
             "-o", "recycle.connections=1000", "-o", "recycle.age=3s", "echo")
    before = t.children().values()
    t.wait_children(4, without=before, timeout=20)
    assert recycled(t, "age") and not recycled(t, "connections")
    settled(t, 4)


def test_no_more_than_a_quarter_is_replaced_at_once(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4", "-o", "recycle.age=1s",
             "echo")
    end = t.log_length()
    while len(t.log("is recycled", end)) < 4:
        # One that starts, and two that drain.
        assert len(t.status()["children"]) <= 7
        assert t.status()["master"]["min_accepting"] == 4


def test_a_child_that_leaks_is_replaced(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2",
             "-o", "recycle.memory=64m", stage.handler("leak"), "bytes=4m",
             reports=True)
    socks = [t.connect() for _ in range(8)]
    for _ in range(8):
        for s in socks:
            s.sendall(b"x")
            assert net.recv_exact(s, 1) == b"x"
    procs.eventually(lambda: recycled(t, "memory"), 20)
    for s in socks:
        # What it has open, it finishes.
        s.sendall(b"y")
        assert net.recv_exact(s, 1) == b"y"
        s.close()
    procs.eventually(lambda: all(
        c["rss_bytes"] < (64 << 20) * 1.2 for c in t.status()["children"]), 20,
        "only small ones are left")
    settled(t, 2)
