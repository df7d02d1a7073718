# SPDX-License-Identifier: BSD-2-Clause
"""How evenly the places share the connections, for whoever asks."""

import os
import re
import signal

import net
import procs

LISTEN = ("-l", "tcp://127.0.0.1:0")


def fairness(t):
    totals = t.status()["totals"]
    return totals["fairness"], totals["fairness_open"]


def metric(t, name):
    text = t.tinectl("metrics").stdout
    return float(re.search(rf"^tine_{name} (\S+)$", text, re.M)[1])


def accept(t, n):
    """The children have seen n more connections, which stay open."""
    before = t.status()["totals"]["accepted"]
    for _ in range(n):
        s = t.connect()
        s.sendall(b"x")
        assert net.recv_exact(s, 1) == b"x"
    procs.eventually(
        lambda: t.status()["totals"]["accepted"] == before + n, 10)


def test_an_idle_server_is_even(tine):
    t = tine(*LISTEN, "-n", 3, "echo")
    assert fairness(t) == (1, 1)
    assert ", dropped 0, busiest/mean 1.00, open 1.00\n" \
        in t.tinectl("status").stdout


def test_one_place_of_four_that_has_all_is_four(tine):
    t = tine(*LISTEN, "-n", 4, "-b", "source-hash", "echo")
    accept(t, 40)
    accepted, opened = fairness(t)
    # Siblings may have served its slot for a moment after it got ready.
    assert 3 < accepted <= 4 and 3 < opened <= 4
    assert round(metric(t, "fairness_accepted_ratio"), 3) == accepted
    assert round(metric(t, "fairness_connections_ratio"), 3) == opened


def test_dice_are_nearly_even(tine):
    t = tine(*LISTEN, "-n", 2, "-b", "random", "echo")
    accept(t, 200)
    accepted, opened = fairness(t)
    assert 1 <= accepted < 1.5 and accepted == opened


def test_a_place_keeps_its_count_when_its_child_dies(tine):
    t = tine(*LISTEN, "-n", 2, "-b", "random", "echo")
    accept(t, 100)
    before, _ = fairness(t)
    pid = t.children()[0]
    os.kill(pid, signal.SIGKILL)
    t.wait_children(2, without={pid})
    accepted, opened = fairness(t)
    assert accepted == before
    assert opened == 2
    assert t.status()["totals"]["accepted"] == 100


def test_more_places_begin_to_count_anew(tine):
    t = tine(*LISTEN, "-n", 1, "-b", "random", "echo")
    accept(t, 100)
    assert fairness(t) == (1, 1)
    assert t.tinectl("scale", 2).returncode == 0
    accepted, opened = fairness(t)
    # The first has still all that are open.
    assert (accepted, opened) == (1, 2)
    accept(t, 200)
    assert fairness(t)[0] < 1.5
