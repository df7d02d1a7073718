# SPDX-License-Identifier: BSD-2-Clause
"""Callbacks that take too long are named and counted; a late loop raises the
flag that handlers and operators see."""

import procs

LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "1")


def child(t):
    return t.status()["children"][0]


def test_a_callback_that_blocks_is_named_and_raises_the_flag(tine, stage):
    t = tine(*LISTEN, stage.handler("sleeper"), "seconds=1")
    assert child(t)["overloaded"] is False
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    line = t.wait_log("handler sleeper: data took [0-9]+ ms")
    assert "child 0" in line
    assert t.status()["totals"]["slow_callbacks"] == 1
    procs.eventually(lambda: child(t)["overloaded"])
    assert 'tine_child_overloaded{place="0"} 1\n' in t.tinectl(
        "metrics").stdout
    assert "tine_slow_callbacks_total 1\n" in t.tinectl("metrics").stdout
    # Idle, it is well again.
    procs.eventually(lambda: not child(t)["overloaded"])
    t.wait_log("overloaded no more")


def test_a_handler_sees_that_its_child_is_overloaded(tine, stage):
    listen = "tcp://127.0.0.1:0"
    t = tine("-n", "1", "-o", f"servers.0.listen={listen}", "-o",
             f"servers.0.handler={stage.handler('counting')}", "-o",
             f"servers.1.listen={listen}", "-o",
             f"servers.1.handler={stage.handler('sleeper')}", "-o",
             "servers.1.options.seconds=1")
    asks, blocks = t.connect(0), t.connect(1)
    asks.sendall(b"?")
    assert asks.recv(4) == b"calm"
    blocks.sendall(b"x")
    assert blocks.recv(1) == b"x"
    asks.sendall(b"?")
    assert asks.recv(4) == b"busy"


def test_without_a_limit_there_is_no_flag(tine, stage):
    t = tine(*LISTEN, "-o", "overload.lag=0", stage.handler("sleeper"),
             "seconds=1")
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    t.wait_log("data took")
    assert child(t)["overloaded"] is False
