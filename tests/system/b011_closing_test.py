# SPDX-License-Identifier: BSD-2-Clause
"""Half-closed and lopsided connections lose no byte."""

import socket
import struct

import pytest

import net
import procs

TARGETS = {"tcp": "tcp://127.0.0.1:0", "unix": "unix://socket"}


@pytest.mark.parametrize("kind", TARGETS)
def test_what_was_sent_before_a_half_close_is_answered(tine, kind):
    t = tine("-l", TARGETS[kind], "-n", "2", "echo")
    s = t.connect()
    data = bytes(range(256)) * 400
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    assert net.recv_all(s) == data


@pytest.mark.parametrize("kind", TARGETS)
def test_who_writes_4_mib_before_reading_gets_all_of_it_back(tine, kind):
    t = tine("-l", TARGETS[kind], "-n", "1", "echo")
    s = t.connect(timeout=30)
    data = bytes(range(256)) * (4 << 12)
    s.sendall(data)
    assert net.recv_exact(s, len(data)) == data


def test_4_mib_in_one_go_and_a_half_close_come_back_whole(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "upper")
    s = t.connect(timeout=30)
    data = b"abcdefgh" * (4 << 17)
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    assert net.recv_all(s) == data.upper()


def test_resets_leave_no_connection_behind(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    for _ in range(50):
        s = t.connect()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.sendall(b"x" * 1000)
        s.close()
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0, 10,
                     "no connection")
    assert t.status()["children"][0]["restarts"] == 0


def test_a_connection_without_a_byte_is_served_when_it_speaks(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    s = t.connect()
    procs.eventually(lambda: t.status()["totals"]["connections"] == 1, 10,
                     "the connection is accepted")
    s.sendall(b"late")
    assert s.recv(4) == b"late"
