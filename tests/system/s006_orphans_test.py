# SPDX-License-Identifier: BSD-2-Clause
"""The master is killed under load: its children leave within the orphan limit,
and a new tine takes the address at once, every time."""

import socket
import threading

import pytest

import net
import procs

TIMES = 20
ORPHAN_SECONDS = 10
MARGIN = 3


class Callers(threading.Thread):
    """Connects and echoes for ever; refused while nobody serves."""

    def __init__(self, connect):
        super().__init__(daemon=True)
        self.connect = connect
        self.over = threading.Event()
        self.answers = 0

    def run(self):
        while not self.over.is_set():
            try:
                with self.connect() as s:
                    s.sendall(b"x")
                    self.answers += len(s.recv(1))
            except OSError:
                continue


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_killed_master_leaves_nobody_and_nothing_in_the_way(tine, stage):
    folder = stage.folder()
    port = 0
    orphans = []
    callers = None
    for _ in range(TIMES):
        t = tine("-l", f"tcp://127.0.0.1:{port}", "-l", "unix://socket",
                 "-n", "2", "echo", folder=folder)
        port = t.port()
        if callers is None:
            address = t.address()
            callers = Callers(
                lambda: socket.create_connection(address, 5))
            callers.start()
        # A connection that stays open keeps its child for the whole limit.
        for i in (0, 1):
            s = t.connect(i)
            s.sendall(b"x")
            assert s.recv(1) == b"x"
        children = list(t.children().values())
        assert len(children) == 2
        t.kill()
        orphans += children
    callers.over.set()
    callers.join(10)
    assert callers.answers > 0
    assert procs.wait_gone(orphans, ORPHAN_SECONDS + MARGIN) == []


def test_orphans_stop_accepting_at_once(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    address = t.address()
    t.kill()
    procs.eventually(lambda: net.is_refused(address), 3, "refused")
    s.sendall(b"y")
    assert s.recv(1) == b"y"


def test_orphans_without_connections_leave_at_once(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    children = list(t.children().values())
    t.kill()
    assert procs.wait_gone(children, 5) == []


@pytest.mark.slow
def test_an_orphan_that_loops_is_ended_too(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", stage.handler("busy_loop"))
    (child,) = t.children().values()
    t.connect().sendall(b"x")
    procs.eventually(lambda: procs.cpu_seconds(child) > 0.3, 10, "it loops")
    t.kill()
    assert procs.wait_gone([child], ORPHAN_SECONDS + MARGIN) == []
