# SPDX-License-Identifier: BSD-2-Clause
"""Past a limit clients wait, or are refused as overload.policy says; where
there is no room the longest idle connection makes it; all of it is counted."""

import re
import socket
import time

import pytest

import procs
from http1 import ask, get, read_answer

LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "1")


def totals(t):
    return t.status()["totals"]


def dial(t, source):
    """A connection that comes from this address of the loopback."""
    s = socket.socket()
    t.sockets.append(s)
    s.settimeout(10)
    s.bind((source, 0))
    s.connect(("127.0.0.1", t.port()))
    return s


def is_served(s):
    s.sendall(b"ping")
    return s.recv(4) == b"ping"


def ending(connect, say=b""):
    """What a new connection hears that has said this."""
    try:
        s = connect()
        s.sendall(say)
        return s.recv(4096)
    except (ConnectionResetError, BrokenPipeError):
        return "reset"


def full_by(limit, idle="0"):
    # Where idle is 0 nobody makes room, however long the test takes.
    return ("-o", f"servers.0.limits.connections={limit}",
            "-o", f"servers.0.timeouts.idle={idle}",
            "-o", "timing.keepalive-grace=0")


@pytest.mark.parametrize("policy, end", [("close", b""), ("reset", "reset")])
def test_one_more_than_the_limit_is_refused(tine, policy, end):
    t = tine(*LISTEN, *full_by(3), "-o", f"overload.policy={policy}", "echo")
    held = [t.connect() for _ in range(3)]
    assert all(is_served(s) for s in held)
    assert ending(t.connect) == end
    assert ending(t.connect) == end
    assert totals(t)["refused"]["connections"] == 2
    assert totals(t)["dropped"] == 2
    assert totals(t)["accepted"] == 3
    t.wait_log("connection refused: connections is reached")
    held[0].close()
    procs.eventually(lambda: totals(t)["connections"] == 2)
    assert is_served(t.connect())


def test_http_says_503_and_when_to_come_again(tine):
    t = tine(*LISTEN, *full_by(1), "-o", "overload.policy=reply", "http",
             "text=hello")
    held = t.connect()
    assert ask(held, get("/")).body == b"hello"
    s = t.connect()
    s.sendall(get("/"))
    answer = read_answer(s)
    assert answer.status == 503
    assert answer.fields["retry-after"] == "1"
    assert answer.fields["connection"] == "close"
    assert s.recv(1) == b""
    assert totals(t)["refused"]["connections"] == 1


def test_under_wait_the_next_is_served_when_one_leaves(tine):
    t = tine(*LISTEN, *full_by(2), "echo")
    held = [t.connect() for _ in range(2)]
    assert all(is_served(s) for s in held)
    waits = t.connect()
    waits.sendall(b"ping")
    assert totals(t)["accepted"] == 2
    held[0].close()
    assert waits.recv(4) == b"ping"
    assert totals(t)["dropped"] == 0


def test_the_longest_idle_makes_room_for_who_waits(tine):
    t = tine(*LISTEN, *full_by(2, idle="75s"), "http", "text=hello")
    first, second = t.connect(), t.connect()
    assert ask(first, get("/")).status == 200
    assert ask(second, get("/")).status == 200
    # The third waits for a second at most, and half of one.
    third = t.connect()
    assert ask(third, get("/")).status == 200
    assert first.recv(1) == b""
    assert ask(second, get("/")).status == 200
    assert totals(t)["shed"] == totals(t)["dropped"] == 1


def test_a_full_house_does_not_spin(tine):
    t = tine(*LISTEN, *full_by(1), "echo")
    held = t.connect()
    assert is_served(held)
    waiting = [t.connect() for _ in range(20)]
    child, = t.children().values()
    before, began = procs.cpu_seconds(child), time.monotonic()
    procs.eventually(lambda: time.monotonic() > began + 2)
    assert procs.cpu_seconds(child) - before < 0.1
    assert is_served(held)
    held.close()
    assert is_served(waiting[0])


def test_without_descriptors_the_longest_idle_makes_room(tine, stage):
    # It takes descriptors, so that max-connections, which leaves 64, is not
    # what stops us.
    t = tine(*LISTEN, "-o", "rlimit-nofile=200", stage.handler("hoarder"),
             "leave=8", limit=1000)
    held = [t.connect() for _ in range(8)]
    assert all(is_served(s) for s in held[:4])
    began = time.monotonic()
    more = t.connect()
    assert is_served(more)
    assert time.monotonic() - began < 10
    assert totals(t)["shed"] >= 1


def test_an_address_has_so_many(tine):
    t = tine(*LISTEN, "-o", "servers.0.limits.per-address=2", "echo")
    held = [dial(t, "127.0.0.1") for _ in range(2)]
    assert all(is_served(s) for s in held)
    assert ending(lambda: dial(t, "127.0.0.1")) == b""
    assert is_served(dial(t, "127.0.0.2"))
    assert totals(t)["refused"]["per-address"] == 1
    held[0].close()
    procs.eventually(lambda: totals(t)["connections"] == 2)
    assert is_served(dial(t, "127.0.0.1"))


def test_clients_of_a_unix_socket_have_no_address(tine):
    t = tine("-l", "unix://s.sock", "-n", "1", "-o",
             "servers.0.limits.per-address=1", "echo")
    assert all(is_served(s) for s in [t.connect() for _ in range(3)])


def test_a_second_has_its_share(tine):
    t = tine(*LISTEN, "-o", "overload.accept-rate=5", "-o",
             "overload.policy=reset", "echo")
    began = time.monotonic()
    ends = [ending(t.connect, b"x") for _ in range(20)]
    served = [e for e in ends if e == b"x"]
    elapsed = time.monotonic() - began
    assert 5 <= len(served) <= 5 + 5 * elapsed + 1
    assert totals(t)["refused"]["accept-rate"] == 20 - len(served)
    metrics = t.tinectl("metrics").stdout
    assert re.search(
        r'^tine_refused_total\{reason="accept-rate"\} \d+$', metrics, re.M)


def test_what_waits_for_its_second_is_served(tine):
    t = tine(*LISTEN, "-o", "overload.accept-rate=10", "echo")
    began = time.monotonic()
    assert all(is_served(t.connect()) for _ in range(20))
    assert 0.5 < time.monotonic() - began < 20
    assert totals(t)["dropped"] == 0
