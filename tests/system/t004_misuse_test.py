# SPDX-License-Identifier: BSD-2-Clause
"""A handler that closes descriptors which are not its own: whatever it breaks,
it costs at most its child, and the server goes on."""

import pytest

import procs


def is_served(t):
    with t.connect() as s:
        s.sendall(b"x")
        return s.recv(1) == b"x"


def held(t, n):
    """Connections that have been served."""
    socks = [t.connect() for _ in range(n)]
    for s in socks:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    return socks


def still_served(socks):
    n = 0
    for s in socks:
        try:
            s.sendall(b"y")
            n += s.recv(1) == b"y"
        except ConnectionError:
            pass
    return n


def start(tine, stage, n=3):
    # Aborting is what is expected: a sanitizer may say so.
    return tine("-l", "tcp://127.0.0.1:0", "-n", n, stage.handler("closer"),
                reports=True)


def connections(t):
    return {c["pid"]: c["connections"] for c in t.status()["children"]}


@pytest.mark.parametrize("kind", ["all", "epoll", "channel"])
def test_a_loop_that_lost_its_descriptors_ends_its_child_only(
        tine, stage, kind):
    t = start(tine, stage)
    socks = held(t, 20)
    before = connections(t)
    socks.pop().sendall(kind.encode() + b"\n")
    t.wait_log("ended: signal")
    new = t.wait_children()
    assert len(t.obituaries()) == 1
    (victim,) = set(before) - set(new.values())
    assert still_served(socks) == 20 - before[victim]
    for _ in range(20):
        assert is_served(t)


@pytest.mark.parametrize("n", [1, 3])
def test_a_client_of_a_closed_listener_is_served_by_the_successor(
        tine, stage, n):
    t = start(tine, stage, n)
    (s,) = held(t, 1)
    s.sendall(b"listener\n")
    assert s.recv(9) == b"listener\n"
    for _ in range(10 * n):
        assert is_served(t)
    # Its epoll set knows the socket still, and the loop sees that it is gone.
    procs.eventually(lambda: len(t.obituaries()) == 1 or not is_served(t))
    t.wait_children()


@pytest.mark.parametrize("n", [1, 3])
def test_a_loop_without_its_wake_up_ends_its_child_with_the_next_beat(
        tine, stage, n):
    """A client that got its number would lose bytes to the loop."""
    t = start(tine, stage, n)
    (s,) = held(t, 1)
    s.sendall(b"wakeup\n")
    t.wait_log(r"descriptor \d+ of the loop was closed by a handler")
    t.wait_log("ended: signal 6")
    t.wait_children(n)
    for _ in range(10 * n):
        assert is_served(t)
    assert len(t.obituaries()) == 1
