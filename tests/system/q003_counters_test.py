# SPDX-License-Identifier: BSD-2-Clause
"""Counters of handlers: added up over all children, kept when those die, and
harmless whatever a child writes."""

import re

import procs
import upgrade

LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "2")


def counters(t):
    return t.status()["counters"]


def talk(t, n):
    for _ in range(n):
        with t.connect() as s:
            s.sendall(b"12345")
            assert s.recv(5) == b"12345"


def test_they_add_up_over_children_and_survive_them(tine, stage):
    t = tine(*LISTEN, stage.handler("counting"))
    assert counters(t) == {}
    talk(t, 10)
    wanted = {"bytes_seen": 50, "messages": 10}
    assert counters(t) == wanted
    assert list(counters(t)) == sorted(wanted)
    before = set(t.children().values())
    t.tinectl("kill", "0")
    t.tinectl("kill", "1")
    t.wait_children(2, without=before)
    assert counters(t) == wanted
    talk(t, 1)
    assert counters(t)["messages"] == 11


def test_an_upgrade_keeps_them(tine, stage):
    t = tine(*LISTEN, *upgrade.QUICK, stage.handler("counting"))
    talk(t, 10)
    upgrade.good(t)
    assert counters(t) == {"bytes_seen": 50, "messages": 10}
    talk(t, 1)
    upgrade.good(t)
    assert counters(t)["messages"] == 11


def test_an_operator_and_prometheus_see_them(tine, stage):
    t = tine(*LISTEN, stage.handler("counting"))
    assert "COUNTER" not in t.tinectl("status").stdout
    talk(t, 3)
    shown = t.tinectl("status").stdout
    assert re.search(r"^COUNTER +TOTAL$", shown, re.M)
    assert re.search(r"^bytes_seen +15$", shown, re.M)
    metrics = t.tinectl("metrics").stdout
    assert "# TYPE tine_handler_messages_total counter\n" in metrics
    assert "\ntine_handler_messages_total 3\n" in metrics


def test_a_child_that_makes_up_names_fills_its_share_only(tine, stage):
    t = tine(*LISTEN, stage.handler("hostile"), "do=names", reports=True)
    for _ in range(3):
        before = set(t.children().values())
        with t.connect() as s:
            s.sendall(b"go\n")
            s.recv(3)
        procs.eventually(lambda: counters(t))
        names = counters(t)
        assert len(names) <= 64
        assert all(re.fullmatch("[a-z][a-z0-9_]{0,47}", n) for n in names)
        assert all(0 <= v <= 2 ** 53 for v in names.values())
        t.tinectl("kill", "0")
        t.tinectl("kill", "1")
        t.wait_children(2, without=before)
    assert "tine_handler_" in t.tinectl("metrics").stdout
    assert t.status()["master"]["pid"] == t.pid
