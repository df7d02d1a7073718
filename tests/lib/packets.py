# SPDX-License-Identifier: BSD-2-Clause
"""packets.py: clients that speak UDP: one question, and a stream of numbered
packets that must all come back."""

import os
import select
import socket
import threading
import time

import procs


def client(host="127.0.0.1", port=0, timeout=10):
    """A socket that hears only answers from the address it asks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.connect((host, port))
    return s


def ask(host, port, data=b"x", timeout=10):
    with client(host, port, timeout) as s:
        s.send(data)
        return s.recv(70000)


def is_answered(host, port, timeout=0.2):
    """Is anybody there? For probes: a refusal and silence are no."""
    try:
        return ask(host, port, b"?", timeout) == b"?"
    except OSError:
        return False


class Stream:
    """Numbered packets from several sockets, sent at a steady rate whatever
    comes back, but never so many under way that a socket of the server could
    overflow. What does not come back within `deadline` is lost."""

    def __init__(self, port, flows=16, rate=2000, window=128, deadline=8):
        self.clients = [client("127.0.0.1", port) for _ in range(flows)]
        self.rate = rate
        self.window = window
        self.deadline = deadline
        self.sent = 0
        self.answered = 0
        self.longest = 0.0
        self.lost = []
        self.wrong = []
        self._under_way = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        procs.eventually(lambda: self.answered > 10, 10, "the first echoes")
        return self

    def __exit__(self, *_):
        self.finish()

    def more(self, n=200, timeout=20):
        """Wait until n more have come back."""
        want = self.answered + n
        procs.eventually(lambda: self.answered >= want, timeout,
                         f"{n} more echoes")

    def finish(self):
        """Wait for all that is under way."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        for s in self.clients:
            s.close()
        return self

    def _send(self):
        number = self.sent
        data = b"%d " % number + os.urandom(number % 32)
        self.sent += 1
        self._under_way[number] = (time.monotonic(), data)
        self.clients[number % len(self.clients)].send(data)

    def _take(self, s, now):
        data = s.recv(70000)
        number = int(data.split(b" ")[0])
        since, sent = self._under_way.pop(number, (now, None))
        if sent != data:
            self.wrong.append(number)
        self.answered += 1
        self.longest = max(self.longest, now - since)

    def _give_up(self, now):
        for number, (since, _) in list(self._under_way.items()):
            if now - since > self.deadline:
                del self._under_way[number]
                self.lost.append(number)

    def _run(self):
        due = time.monotonic()
        while self._under_way or not self._stop.is_set():
            now = time.monotonic()
            self._give_up(now)
            if not self._stop.is_set() and now >= due:
                if len(self._under_way) < self.window:
                    self._send()
                due = max(due + 1 / self.rate, now - 0.1)
            wait = 0.05 if self._stop.is_set() else max(0, due - now)
            for s in select.select(self.clients, [], [], wait)[0]:
                self._take(s, now)
