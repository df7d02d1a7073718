# SPDX-License-Identifier: BSD-2-Clause
"""The scenarios of netpoll's own tests, on this server: many small writes and
reads, ends of connections in every order, ends of the server while clients are
idle, busy or both."""

import random
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import net
import procs

MIB = 1 << 20
PIECE = 256
URLS = ["tcp://127.0.0.1:0", "unix://socket"]


def nobody_is_left(t):
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)


def totals(t):
    return t.status()["totals"]


@pytest.mark.parametrize("url", URLS)
def test_10000_writes_of_256_bytes_arrive(tine, url):
    t = tine("-l", url, "-n", 1, "discard")
    s = t.connect()
    for _ in range(10000):
        s.sendall(bytes(PIECE))
    procs.eventually(lambda: totals(t)["bytes_in"] == 10000 * PIECE)
    s.close()
    nobody_is_left(t)


@pytest.mark.parametrize("url", URLS)
def test_100000_reads_of_256_bytes_get_every_byte(tine, url):
    t = tine("-l", url, "-n", 1, "echo")
    s = t.connect()
    block = random.Random(1).randbytes(1000 * PIECE)
    sender = threading.Thread(
        target=lambda: [s.sendall(block) for _ in range(100)])
    sender.start()
    for i in range(100000):
        at = i % 1000 * PIECE
        assert net.recv_exact(s, PIECE) == block[at:at + PIECE], i
    sender.join()
    s.close()
    nobody_is_left(t)


@pytest.mark.parametrize("how", ["close", "reset", "kill"])
def test_a_close_while_2_mib_are_stuck_ends_it(tine, how):
    """What the peer does not take is given up when it has gone; a child that is
    told to leave gives it up at its drain-timeout."""
    t = tine("-l", "tcp://127.0.0.1:0?sndbuf=4096", "-n", 1, "-o",
             "drain-timeout=1s", "echo")
    s = t.connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(bytes(2 * MIB))
    procs.eventually(lambda: totals(t)["bytes_in"] == 2 * MIB)
    assert totals(t)["bytes_out"] < 2 * MIB
    if how == "reset":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     net.struct.pack("ii", 1, 0))
    if how == "kill":
        assert t.tinectl("drain", 0).returncode == 0
        with pytest.raises(OSError):
            while s.recv(65536):
                pass
            raise ConnectionError("an end in order")
    s.close()
    nobody_is_left(t)
    with t.connect() as other:
        other.sendall(b"x")
        assert other.recv(1) == b"x"


@pytest.mark.parametrize("handler,args,data", [
    ("echo", (), b""), ("discard", (), None), ("upper", ("once=true",), b"X")])
def test_a_write_after_the_end_is_an_error(tine, handler, args, data):
    """upper closes after its answer; of the others it is the client."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, handler, *args)
    s = t.connect()
    s.sendall(b"x\n"[:1])
    if handler != "upper":
        s.shutdown(socket.SHUT_WR)
        assert net.recv_all(s) == (b"x" if handler == "echo" else b"")
        with pytest.raises(BrokenPipeError):
            s.sendall(b"more")
    else:
        assert net.recv_all(s) == data

        def is_refused():
            try:
                s.sendall(b"more")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        procs.eventually(is_refused)
    s.close()
    nobody_is_left(t)


def test_a_crash_of_a_handler_costs_only_its_child(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, stage.handler("ender"),
             reports=True)
    socks = [t.connect() for _ in range(30)]
    for s in socks:
        assert net.recv_exact(s, 6) == b"hello\n"
    before = {c["place"]: c["connections"] for c in t.status()["children"]}
    assert sum(before.values()) == 30
    old = t.children()
    socks.pop().sendall(b"crash\n")
    t.wait_log("ended: ")
    new = t.wait_children()
    (place,) = [i for i in old if old[i] != new[i]]
    alive = 0
    for s in socks:
        try:
            s.sendall(b"x\n")
            alive += s.recv(2) == b"x\n"
        except ConnectionError:
            pass
    assert alive == 30 - before[place]
    assert len(t.obituaries()) == 1


@pytest.mark.parametrize("url", URLS)
def test_ten_clients_that_write_and_close_at_once_lose_nothing(tine, url):
    t = tine("-l", url, "-n", 3, "discard")

    def client(_):
        s = t.connect()
        s.sendall(bytes(5000))
        s.close()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(client, range(10)))
    procs.eventually(lambda: totals(t)["bytes_in"] == 50000)
    nobody_is_left(t)


def test_a_mebibyte_in_kibibytes_is_no_more_memory_than_the_limit(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, "echo")
    (child,) = t.children().values()
    s = t.connect()
    data = random.Random(1).randbytes(MIB)
    for _ in range(2):
        before = procs.private_kib(child)
        for at in range(0, MIB, 1024):
            s.sendall(data[at:at + 1024])
            assert net.recv_exact(s, 1024) == data[at:at + 1024]
    grown = procs.private_kib(child) - before
    print(f"{grown} KiB")
    assert grown <= 4096
    s.close()


# ---- the end of the server ----

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def start_http(tine, drain_timeout="30s"):
    return tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-o",
                "timing.keepalive-grace=0", "-o",
                f"drain-timeout={drain_timeout}", "http", "text=x")


def clients_in_request(t, n, whole):
    """Connections that have had an answer, and the whole of the next request or
    the half of it."""
    socks = [t.connect() for _ in range(n)]
    for s in socks:
        s.sendall(REQUEST)
        assert b"200 OK" in s.recv(65536)
        if not whole:
            s.sendall(REQUEST[:20])
    if not whole:
        procs.eventually(lambda: totals(t)["bytes_in"] == n * 20 +
                         totals(t)["requests"] * len(REQUEST))
    return socks


def test_a_stop_ends_ten_idle_clients_in_order(tine):
    t = start_http(tine)
    socks = clients_in_request(t, 10, True)
    t.signal(signal.SIGTERM)
    for s in socks:
        assert net.recv_all(s) == b""
    assert t.wait(20) == 0


def test_a_stop_meets_its_deadline_with_busy_clients(tine):
    t = start_http(tine, "1s")
    socks = clients_in_request(t, 10, False)
    t.signal(signal.SIGTERM)
    for s in socks:
        try:
            assert net.recv_all(s) == b""
        except ConnectionResetError:
            pass
    assert t.wait(20) == 0


def test_a_stop_ends_idle_clients_and_waits_for_busy_ones(tine):
    t = start_http(tine)
    idle = clients_in_request(t, 10, True)
    busy = clients_in_request(t, 10, False)
    t.signal(signal.SIGTERM)
    for s in idle:
        assert net.recv_all(s) == b""
    assert t.process.poll() is None
    for s in busy:
        s.sendall(REQUEST[20:])
        answer = net.recv_all(s)
        assert b"200 OK" in answer and b"close" in answer.lower()
    assert t.wait(20) == 0
