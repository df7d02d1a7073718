# SPDX-License-Identifier: BSD-2-Clause
"""What a request costs in its steady state: one read, one write, no memory."""

import collections
import os
import re
import signal
import subprocess

import pytest

REQUESTS = 500
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")


def read_answer(sock, length):
    got = b""
    while len(got) < length:
        part = sock.recv(length - len(got))
        assert part, "closed in the middle"
        got += part
    return got


def trace(pid, path):
    """strace that is attached when this returns."""
    p = subprocess.Popen(["strace", "-p", str(pid), "-o", path],
                         stderr=subprocess.PIPE, text=True)
    line = p.stderr.readline()
    assert "attached" in line, line
    return p


@pytest.mark.load
@pytest.mark.skipif(os.getuid() != 0, reason="only root may trace a child")
@pytest.mark.parametrize("handler, request_", [
    (["http", "text=Hello World!"], GET), (["echo"], b"ping\n")])
def test_a_request_is_one_read_and_one_write(tine, folder, handler, request_):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", *handler)
    (child,) = t.children().values()
    s = t.connect()
    s.sendall(request_)
    length = len(s.recv(65536))
    for _ in range(20):
        s.sendall(request_)
        read_answer(s, length)
    tracer = trace(child, f"{folder}/calls")
    for _ in range(REQUESTS):
        s.sendall(request_)
        read_answer(s, length)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    with open(f"{folder}/calls", encoding="ascii", errors="replace") as f:
        calls = collections.Counter(
            m.group(1) for m in map(CALL.match, f) if m)
    # A beat in between asks for the time; nothing else may happen.
    assert calls["recvfrom"] <= REQUESTS + 1, calls
    assert calls["sendto"] <= REQUESTS + 1, calls
    assert calls["epoll_wait"] <= REQUESTS + 50, calls
    for name in ("brk", "mmap", "munmap", "epoll_ctl", "futex", "writev"):
        assert calls[name] == 0, calls
