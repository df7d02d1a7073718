# SPDX-License-Identifier: BSD-2-Clause
"""dispatch.py: a server in accept mode dispatch, and who serves its clients."""

import os
import socket

import procs


def whoami(stage):
    return os.path.join(stage.build, "tests", "handlers", "whoami.so")


def acceptor(t):
    return t.status()["acceptor"]


def wait_ready(t, without=None, timeout=10):
    """Wait for a READY acceptor, another than this pid; returns its pid."""
    def ready():
        a = acceptor(t)
        return a["state"] == "ready" and a["pid"] != without and a["pid"]
    return procs.eventually(ready, timeout, "an acceptor")


def wait_acceptor(t, without=None, timeout=10):
    """The same, and it takes all connections: the children have heard of it.
    To be called while no others come."""
    pid = wait_ready(t, without, timeout)

    held = t.status()["totals"]["connections"]

    def taken():
        now = t.status()
        return now["acceptor"]["accepted"], now["totals"]["accepted"]

    def alone():
        by_it, in_all = taken()
        with t.connect():
            procs.eventually(lambda: taken()[1] == in_all + 1, timeout,
                             "a connection")
        return taken()[0] == by_it + 1
    for _ in range(3):
        procs.eventually(alone, timeout, "the acceptor alone")
    procs.eventually(lambda: t.status()["totals"]["connections"] == held,
                     timeout, "no connection of ours")
    return pid


def ask(t, source=None, i=0):
    """A connection that stays open, and the place of the child that serves
    it. Needs the handler whoami."""
    address = t.address(i)
    if isinstance(address, str):
        s = t.connect(i)
    else:
        s = socket.create_connection(
            address, 10, source_address=(source, 0) if source else None)
        t.sockets.append(s)
    s.sendall(b"x")
    return s, int(s.recv(100).split()[1])


def places(t, n, source=None, i=0):
    """The places that n connections went to, which stay open."""
    return [ask(t, source, i)[1] for _ in range(n)]
