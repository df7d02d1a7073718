# SPDX-License-Identifier: BSD-2-Clause
"""When descriptors run out, connections wait; nothing spins."""

import procs


def test_connections_over_the_limit_wait_in_the_queue(tine):
    """The child may hold RLIMIT_NOFILE - 64 connections."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo", limit=128)
    held = [t.connect() for _ in range(64)]
    for s in held:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    waiting = t.connect()
    waiting.sendall(b"late")
    (child,) = t.children().values()
    cpu = procs.cpu_seconds(child)
    procs.eventually(lambda: t.status()["listeners"][0]["queue"] == 1, 5,
                     "one in the queue")
    held.pop().close()
    assert waiting.recv(4) == b"late"
    assert procs.cpu_seconds(child) - cpu < 0.5
