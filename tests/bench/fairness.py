# SPDX-License-Identifier: BSD-2-Clause
"""fairness.py: one flooding connection beside 100 polite ones in one child.
usage: fairness.py [BUILD [SECONDS]]

The polite ones ask at fixed times, whether or not the last answer came, so that
a server that stalls cannot slow down its own measurement; their latencies are
those from the time a request was due. The flood is one connection of the echo
handler that writes as much as it can and reads all of its answer. Printed are
p50, p99 and the greatest of a run without it, of one where it goes to another
server, which costs the machine the same, and of one where it goes to the child
of the polite."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
POLITE = 100
RATE = 5  # requests a second of each
WRITE = bytes(65536)


def start(build):
    server = subprocess.Popen(
        [f"{build}/tine", "-C", "none", "-l", "tcp://127.0.0.1:0", "-n", "1",
         "echo"], stderr=subprocess.PIPE, text=True)
    line = server.stderr.readline()
    return server, int(line.split("127.0.0.1:")[1].split()[0])


def flood(port):
    """Write and read as fast as both ends can, until we are killed."""
    s = socket.create_connection(("127.0.0.1", port))
    s.setblocking(False)
    with selectors.DefaultSelector() as sel:
        sel.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            for _, events in sel.select():
                if events & selectors.EVENT_READ:
                    s.recv(1 << 20)
                if events & selectors.EVENT_WRITE:
                    try:
                        s.send(WRITE)
                    except BlockingIOError:
                        pass


def flooder(port):
    """In a process of its own: a thread would share our interpreter's lock."""
    pid = os.fork()
    if pid == 0:
        try:
            flood(port)
        finally:
            os._exit(1)
    return pid


def polite(port, seconds):
    """Latencies of an open loop: each connection asks at its own times."""
    socks = []
    sel = selectors.DefaultSelector()
    for i in range(POLITE):
        s = socket.create_connection(("127.0.0.1", port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setblocking(False)
        sel.register(s, selectors.EVENT_READ, i)
        socks.append(s)
    step = 1 / (RATE * POLITE)
    began = time.monotonic() + 0.1
    pending = [[] for _ in socks]
    found, n, total = [], 0, int(seconds * RATE * POLITE)
    while len(found) < total and time.monotonic() < began + seconds + 10:
        now = time.monotonic()
        while n < total and began + n * step <= now:
            socks[n % POLITE].send(b"polite")
            pending[n % POLITE].append(began + n * step)
            n += 1
        due = began + n * step if n < total else now + 0.1
        for key, _ in sel.select(max(0, due - time.monotonic())):
            got = len(key.fileobj.recv(4096)) // 6
            now = time.monotonic()
            found += [now - t for t in pending[key.data][:got]]
            del pending[key.data][:got]
    for s in socks:
        s.close()
    return sorted(found), total


def report(name, found, total):
    def at(share):
        return found[min(len(found) - 1, int(len(found) * share))] * 1e3

    print(f"{name:8} p50 {at(0.5):7.2f} ms  p99 {at(0.99):7.2f} ms  "
          f"max {found[-1] * 1e3:7.2f} ms  answered {len(found)} of {total}",
          flush=True)
    return at(0.99)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else f"{TOP}/build"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    server, port = start(build)
    other, elsewhere = start(build)
    p99 = {}
    try:
        for name, to in (("without", None), ("beside", elsewhere),
                         ("within", port)):
            pid = None if to is None else flooder(to)
            try:
                p99[name] = report(name, *polite(port, seconds))
            finally:
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
    finally:
        for s in (server, other):
            s.terminate()
            s.wait()
    print(f"p99 with the flood within is {p99['within'] / p99['without']:.1f} "
          f"times that without (target: 2), and "
          f"{p99['within'] / p99['beside']:.1f} times that beside")


main()
