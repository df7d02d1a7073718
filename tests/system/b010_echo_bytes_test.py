# SPDX-License-Identifier: BSD-2-Clause
"""echo, upper and discard give back exactly what they should, whatever the
sizes and the pieces."""

import random
import threading

import pytest

import net

TARGETS = {"tcp": "tcp://127.0.0.1:0", "unix": "unix://socket"}
SIZES = [1, 2, 63, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 65537,
         262144, 1048576]


def both_ways(sock, data, pieces):
    """Send data in pieces of random sizes while the answer is read."""
    rng = random.Random(len(data) + pieces)

    def send():
        at = 0
        while at < len(data):
            n = rng.randint(1, max(1, 2 * len(data) // pieces))
            sock.sendall(data[at:at + n])
            at += n

    sender = threading.Thread(target=send)
    sender.start()
    got = net.recv_exact(sock, len(data))
    sender.join(10)
    return got


@pytest.mark.parametrize("kind", TARGETS)
def test_echo_gives_back_every_byte(tine, kind):
    t = tine("-l", TARGETS[kind], "-n", "2", "echo")
    for size in SIZES:
        data = random.Random(size).randbytes(size)
        assert both_ways(t.connect(), data, 1) == data, size


@pytest.mark.parametrize("kind", TARGETS)
def test_one_connection_echoes_many_sizes_one_after_the_other(tine, kind):
    t = tine("-l", TARGETS[kind], "-n", "2", "echo")
    rng = random.Random(7)
    s = t.connect()
    for _ in range(40):
        data = rng.randbytes(int(2 ** rng.uniform(0, 20)))
        assert both_ways(s, data, rng.choice([1, 3, 50])) == data


@pytest.mark.parametrize("kind", TARGETS)
def test_upper_changes_a_to_z_and_nothing_else(tine, kind):
    t = tine("-l", TARGETS[kind], "-n", "2", "upper")
    every = bytes(range(256)) * 2000
    wanted = bytes(b - 32 if 97 <= b <= 122 else b for b in range(256)) * 2000
    assert both_ways(t.connect(), every, 9) == wanted


@pytest.mark.parametrize("kind", TARGETS)
def test_discard_takes_everything_and_says_nothing(tine, kind):
    t = tine("-l", TARGETS[kind], "-n", "1", "discard")
    s = t.connect()
    for _ in range(8):
        s.sendall(bytes(1 << 20))
    s.shutdown(1)
    assert net.recv_all(s) == b""
    assert t.status()["totals"]["bytes_in"] == 8 << 20


def test_upper_once_closes_after_the_first_answer(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "upper", "once=true")
    s = t.connect()
    s.sendall(b"hello")
    assert net.recv_all(s) == b"HELLO"


def test_a_thousand_small_questions_in_one_write_are_all_answered(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "upper")
    s = t.connect()
    s.sendall(b"".join(b"line %d\n" % i for i in range(1000)))
    wanted = b"".join(b"LINE %d\n" % i for i in range(1000))
    assert net.recv_exact(s, len(wanted)) == wanted
