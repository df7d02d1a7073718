# SPDX-License-Identifier: BSD-2-Clause
"""Input and output by every call of tine.h, through small socket buffers, with
every byte compared; and what a peer that does not read can do."""

import os
import random
import socket
import threading

import pytest

import net
import procs

MEBIBYTE = 1 << 20
WAYS = ["each", "write", "writev", "ref", "slice", "splice", "flush", "cork",
        "pause"]


def module(name):
    build = os.environ.get("TINE_BUILD", "build")
    return os.path.abspath(f"{build}/tests/handlers/{name}.so")


def send_in_pieces(sock, data, rng):
    at = 0
    while at < len(data):
        n = int(2 ** rng.uniform(0, 17))
        sock.sendall(data[at:at + n])
        at += n


def exchange(one, other, data, seed):
    """Say data at one socket, in pieces of random sizes, and hear as much at
    the other."""
    sender = threading.Thread(target=send_in_pieces,
                              args=(one, data, random.Random(seed)))
    sender.start()
    got = net.recv_exact(other, len(data))
    sender.join(20)
    assert not sender.is_alive()
    return got


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0?sndbuf=4096&rcvbuf=4096",
                                 "unix://socket"])
def test_every_way_of_answering_gives_back_every_byte(tine, how, url):
    t = tine("-l", url, "-n", "1", "-o", "servers.0.limits.output-high=64k",
             "-o", "servers.0.limits.output-low=16k", module("mirror"),
             f"how={how}")
    for size in (1, 511, 4097, 70000, 2 * MEBIBYTE):
        data = random.Random(size).randbytes(size)
        s = t.connect()
        s.settimeout(30)
        assert exchange(s, s, data, size) == data, size
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
        s.close()
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)


@pytest.mark.load  # a sanitizer keeps what was freed
def test_a_peer_that_never_reads_costs_its_output_and_no_more(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-o",
             "servers.0.limits.output=4m", module("hose"), "total=1g")
    (child,) = t.children().values()
    memory = procs.dirty_kib if os.getuid() == 0 else procs.private_kib
    before = memory(child)
    s = t.connect()
    procs.eventually(lambda: t.status()["totals"]["bytes_out"] > 0)
    other = t.connect()
    assert net.recv_exact(other, MEBIBYTE) == bytes(MEBIBYTE)
    grown = memory(child) - before
    print(f"{grown} KiB for two peers with 4 MiB of output each")
    # Chunks have heads, and the stage and the scratch are touched once.
    assert grown <= 2 * (4096 + 64) + 256
    s.close()
    other.close()


@pytest.mark.timeout(120)
def test_who_reads_in_the_end_gets_a_gibibyte(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", module("hose"),
             "total=1g")
    s = t.connect()
    s.settimeout(60)
    got = 0
    while part := s.recv(MEBIBYTE):
        got += len(part)
    assert got == 1 << 30


def test_who_writes_4_mib_before_it_reads_gets_them_all(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    data = random.Random(4).randbytes(4 * MEBIBYTE)
    s = t.connect()
    s.settimeout(30)
    s.sendall(data)
    assert net.recv_exact(s, len(data)) == data


def test_who_never_reads_meets_the_write_timeout_and_nobody_else_does(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "--log-level", "debug",
             "-o", "servers.0.timeouts.write=500ms", "-o",
             "servers.0.limits.output=1m", "echo")
    greedy = t.connect()
    sibling = t.connect()
    greedy.setblocking(False)
    sent = 0

    def is_closed():
        nonlocal sent
        try:
            sent += greedy.send(bytes(65536))
        except BlockingIOError:
            pass
        except ConnectionError:
            return True
        sibling.sendall(b"ping")
        assert net.recv_exact(sibling, 4) == b"ping"
        return False

    procs.eventually(is_closed, 30)
    t.wait_log("closed: write-timeout after")
    assert len(t.log("closed: ")) == 1
    assert sent > MEBIBYTE


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0?sndbuf=4096&rcvbuf=4096",
                                 "unix://socket"])
def test_two_piped_clients_hear_each_other_to_the_end(tine, url):
    t = tine("-l", url, "-n", "1", "-o", "servers.0.limits.output-high=64k",
             "-o", "servers.0.limits.output-low=16k", module("pairer"))
    first = t.connect()
    first.sendall(b"early ")
    procs.eventually(lambda: t.status()["totals"]["bytes_in"] == 6)
    second = t.connect()
    for s in (first, second):
        s.settimeout(30)
    assert net.recv_exact(second, 6) == b"early "
    rng = random.Random(5)
    there, back = rng.randbytes(2 * MEBIBYTE), rng.randbytes(3 * MEBIBYTE)
    assert exchange(first, second, there, 1) == there
    assert exchange(second, first, back, 2) == back
    first.shutdown(socket.SHUT_WR)
    assert second.recv(1) == b""
    second.sendall(b"the last word")
    assert net.recv_exact(first, 13) == b"the last word"
    second.shutdown(socket.SHUT_WR)
    assert first.recv(1) == b""
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)


def test_a_piped_client_that_resets_takes_the_other_one_with_it(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", module("pairer"))
    first, second = t.connect(), t.connect()
    first.sendall(b"x")
    assert second.recv(1) == b"x"
    first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     net.struct.pack("ii", 1, 0))
    first.close()
    second.settimeout(10)
    with pytest.raises(ConnectionResetError):
        second.recv(1)
