# SPDX-License-Identifier: BSD-2-Clause
"""A framed protocol through the real server: every message of every size comes
back, in whatever pieces it came, and what is no message ends the connection."""

import random
import socket
import struct
import threading
import time

import pytest

import net

FRAMING = "closed: cause 9, "
PEER_EOF = "closed: cause 0, "
BIG_INPUT = ("-o", "servers.0.limits.input=2m")


@pytest.fixture
def framed(tine, stage):
    def start(*more, children=1, listen="tcp://127.0.0.1:0"):
        return tine("-l", listen, "-n", children,
                    *more, stage.handler("framed"))
    return start


def message(data):
    return struct.pack(">I", len(data)) + data


def recv_message(sock):
    head = net.recv_exact(sock, 4)
    assert len(head) == 4
    return net.recv_exact(sock, struct.unpack(">I", head)[0])


def exchange(sock, messages, rng, pieces):
    """Send all in pieces of random sizes while each answer is compared."""
    data = b"".join(message(m) for m in messages)

    def send():
        at = 0
        while at < len(data):
            n = rng.randint(1, max(1, 2 * len(data) // pieces))
            sock.sendall(data[at:at + n])
            at += n

    sender = threading.Thread(target=send)
    sender.start()
    for m in messages:
        assert recv_message(sock) == m
    sender.join(30)
    assert not sender.is_alive()


def in_threads(count, work):
    failures = []

    def run(i):
        try:
            work(i)
        except BaseException as failure:  # told by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("listen", ["tcp://127.0.0.1:0", "unix://socket"])
def test_ten_clients_get_back_batches_of_all_sizes(framed, listen):
    t = framed(*BIG_INPUT, children=2, listen=listen)

    def client(i):
        rng = random.Random(i)
        with t.connect() as s:
            for size, batch in ((64, 200), (512, 100), (4096, 50),
                                (65536, 10), (262144, 4), (1 << 20, 2)):
                exchange(s, [rng.randbytes(size) for _ in range(batch)], rng,
                         rng.choice([1, 7, 100]))

    in_threads(10, client)
    assert not t.log("closed: cause (?!0)")


def test_messages_of_random_sizes_are_no_different(framed):
    t = framed(*BIG_INPUT)

    def client(i):
        rng = random.Random(100 + i)
        with t.connect() as s:
            for _ in range(10):
                sizes = [int(2 ** rng.uniform(0, 17)) - 1 for _ in range(20)]
                exchange(s, [rng.randbytes(n) for n in sizes], rng, 50)

    in_threads(10, client)


def test_a_stream_cut_in_the_middle_of_everything_is_put_together(framed):
    t = framed()
    rng = random.Random(3)
    data = [rng.randbytes(n) for n in (0, 1, 2, 300)]
    with t.connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"".join(message(m) for m in data):
            s.send(bytes([byte]))
        for m in data:
            assert recv_message(s) == m


def test_thousands_of_messages_in_one_write_are_answered_in_order(framed):
    t = framed()
    with t.connect() as s:
        exchange(s, [b"%d" % i for i in range(20000)], random.Random(1), 1)


def test_who_writes_everything_before_it_reads_is_answered(framed):
    t = framed(*BIG_INPUT)
    rng = random.Random(4)
    data = [rng.randbytes(1 << 18) for _ in range(16)]
    with t.connect() as s:
        s.sendall(b"".join(message(m) for m in data))
        for m in data:
            assert recv_message(s) == m


def test_who_never_reads_costs_no_more_than_the_limits(framed):
    t = framed("-o", "servers.0.limits.output=1m",
               "-o", "servers.0.timeouts.write=2s")
    rest = message(bytes(1 << 16)) * 64
    with t.connect() as s, t.connect() as other:
        s.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 64 << 20:
                sent += s.send(rest[sent % len(rest):])
        assert t.status()["children"][0]["rss_bytes"] < 64 << 20
        exchange(other, [b"still here"], random.Random(1), 1)
        t.wait_log("closed: cause 6, ", timeout=20)


def test_a_message_over_the_limit_ends_the_connection(framed):
    t = framed("-o", "servers.0.limits.input=1k")
    with t.connect() as s:
        s.sendall(message(b"before") + message(bytes(1025))[:4])
        assert recv_message(s) == b"before"
        assert net.recv_all(s) == b""
    t.wait_log(FRAMING)


def test_the_beginning_of_a_message_at_the_end_of_file_is_told(framed):
    t = framed()
    with t.connect() as s:
        s.sendall(message(b"before") + b"\0\0")
        s.shutdown(socket.SHUT_WR)
        assert net.recv_all(s) == message(b"before")
    t.wait_log(FRAMING)
    with t.connect() as s:
        s.sendall(message(b"before"))
        s.shutdown(socket.SHUT_WR)
        assert net.recv_all(s) == message(b"before")
    t.wait_log(PEER_EOF)


@pytest.mark.parametrize("word", [b"close", b"tine_close"])
def test_after_a_close_the_rest_of_the_batch_is_dropped(framed, word):
    t = framed()
    with t.connect() as s:
        s.sendall(message(b"one") + message(word) + message(b"three") * 100)
        assert net.recv_all(s) == message(b"one") + message(word)
    t.wait_log("closed: cause 2, ")


def test_an_abort_resets_the_connection(framed):
    t = framed()
    with t.connect() as s:
        s.sendall(message(b"abort"))
        with pytest.raises(ConnectionResetError):
            assert net.recv_all(s) == b""
            raise ConnectionRefusedError("an orderly end")


def test_a_flood_of_messages_does_not_hold_up_other_connections(framed):
    t = framed()
    stop = threading.Event()
    flood = message(b"x") * 10000

    def read_all(sock):
        try:
            net.recv_all(sock)
        except ConnectionResetError:
            pass  # our own end, with answers still under way

    def flooder():
        with t.connect() as s:
            reader = threading.Thread(target=read_all, args=(s,))
            reader.start()
            while not stop.is_set():
                s.sendall(flood)
            s.shutdown(socket.SHUT_RDWR)
            reader.join(10)

    thread = threading.Thread(target=flooder)
    thread.start()
    try:
        with t.connect() as s:
            slowest = 0
            for _ in range(100):
                began = time.monotonic()
                s.sendall(message(b"polite"))
                assert recv_message(s) == b"polite"
                slowest = max(slowest, time.monotonic() - began)
        assert slowest < 2
    finally:
        stop.set()
        thread.join(20)
