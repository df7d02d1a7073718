# SPDX-License-Identifier: BSD-2-Clause
"""tinectl status: the fixed keys, the figures behind them, and the text."""

import re

import procs

STATUS = {
    "master": {"pid", "state", "uptime_seconds", "generation", "processes",
               "accept", "reloads", "rollbacks", "upgrades", "crashes",
               "hangs", "min_accepting", "last_error"},
    "listeners": {"url", "handler", "slots", "queue", "overflows"},
    "children": {"place", "pid", "generation", "state", "uptime_seconds",
                 "connections", "accepted", "requests", "bytes_in",
                 "bytes_out", "loop_lag_seconds", "utilisation", "rss_bytes",
                 "restarts"},
    "totals": {"connections", "accepted", "requests", "bytes_in", "bytes_out",
               "dropped"},
}


def test_status_has_every_key_of_the_specification(tine):
    status = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo").status()
    assert set(status) >= {"version", *STATUS}
    assert STATUS["master"] <= set(status["master"])
    assert STATUS["totals"] <= set(status["totals"])
    for part in ("listeners", "children"):
        for item in status[part]:
            assert STATUS[part] <= set(item), part


def test_status_says_what_is_true(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    status = t.status()
    master = status["master"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", status["version"])
    assert master["pid"] == t.pid
    assert master["state"] == "running"
    assert 0 < master["uptime_seconds"] < 60
    assert master["generation"] == 1
    assert master["processes"] == 3
    assert master["accept"] == "reuseport"
    assert master["last_error"] is None
    assert master["crashes"] == 0
    assert status["listeners"][0]["url"] == f"tcp://127.0.0.1:{t.port()}"
    assert status["listeners"][0]["handler"] == "echo"
    assert [c["place"] for c in status["children"]] == [0, 1, 2]
    assert sorted(c["pid"] for c in status["children"]) == \
        procs.children_of(t.pid)
    for child in status["children"]:
        assert child["state"] == "ready"
        assert child["generation"] == 1
        assert child["rss_bytes"] > 100_000


def test_the_counters_count(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    held = [t.connect() for _ in range(5)]
    for s in held:
        s.sendall(b"x" * 100)
        assert len(s.recv(100)) == 100
    held[0].close()

    def counted():
        totals = t.status()["totals"]
        return totals["connections"] == 4 and totals

    totals = procs.eventually(counted, 5, "one connection fewer")
    assert totals["accepted"] == 5
    assert totals["bytes_in"] == totals["bytes_out"] == 500


def test_requests_are_those_of_http(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", "text=hi")
    s = t.connect()
    for _ in range(3):
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(4096).endswith(b"hi")
    assert t.status()["totals"]["requests"] == 3


def test_the_text_names_master_children_and_listeners(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    done = t.tinectl("status")
    assert done.returncode == 0
    assert str(t.pid) in done.stdout
    for pid in t.children().values():
        assert str(pid) in done.stdout
    assert f"tcp://127.0.0.1:{t.port()}" in done.stdout


def test_an_idle_child_is_not_busy(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    procs.eventually(
        lambda: t.status()["children"][0]["uptime_seconds"] > 1, 5, "1 s")
    child = t.status()["children"][0]
    assert 0 <= child["utilisation"] < 0.5
    assert 0 <= child["loop_lag_seconds"] < 1
