# SPDX-License-Identifier: BSD-2-Clause
"""Keep-alive, pipelining, pieces and ends."""

import os

import pytest

import net
import procs
from http1 import ask, get, read_answer


@pytest.fixture
def site(tine, folder):
    for name, size in (("small", 100), ("middle", 40_000), ("big", 700_000)):
        with open(f"{folder}/{name}", "wb") as f:
            f.write(name[0].encode() * size)
    return tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", "root=.",
                folder=folder)


SIZES = {"small": 100, "middle": 40_000, "big": 700_000}


def test_pipelined_answers_come_whole_and_in_order(site):
    s = site.connect(timeout=20)
    asked = ["small", "middle", "none", "big", "small", "big"] * 10
    s.sendall(b"".join(get(f"/{name}") for name in asked))
    for name in asked:
        answer = read_answer(s)
        if name == "none":
            assert answer.status == 404
        else:
            assert answer.body == name[0].encode() * SIZES[name]


def test_a_thousand_pipelined_requests_on_one_connection(site):
    s = site.connect()
    s.sendall(get("/small") * 1000)
    for _ in range(1000):
        last = read_answer(s)
        assert last.status == 200
    assert last.fields["connection"] == "close"
    assert s.recv(1) == b""


def test_a_request_may_come_byte_by_byte(site):
    s = site.connect()
    for byte in get("/small", "X-Long: " + "y" * 200):
        s.sendall(bytes([byte]))
    assert read_answer(s).status == 200


def test_a_half_request_waits_and_a_half_closed_one_ends(site):
    s = site.connect()
    s.sendall(get("/small")[:-2])
    s.shutdown(1)
    rest = net.recv_all(s)
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")


def test_http_1_0_closes_unless_it_asks_to_stay(site):
    s = site.connect()
    answer = ask(s, get("/small", version="HTTP/1.0", host=None))
    assert answer.status == 200
    assert s.recv(1) == b""
    s = site.connect()
    stay = get("/small", "Connection: keep-alive", version="HTTP/1.0",
               host=None)
    assert ask(s, stay).fields["connection"].lower() == "keep-alive"
    assert ask(s, stay).status == 200


def test_connection_close_is_obeyed_and_said(site):
    s = site.connect()
    answer = ask(s, get("/small", "Connection: close"))
    assert answer.fields["connection"] == "close"
    assert s.recv(1) == b""


def test_a_half_close_after_the_request_still_gets_the_answer(site):
    s = site.connect()
    s.sendall(get("/big"))
    s.shutdown(1)
    answer = read_answer(s)
    assert len(answer.body) == SIZES["big"]
    assert s.recv(1) == b""


def test_a_client_that_stops_reading_does_not_hold_up_another(site):
    slow = site.connect()
    slow.sendall(get("/big") * 50)
    for _ in range(20):
        assert ask(site.connect(), get("/small")).status == 200


def test_a_client_that_leaves_in_the_middle_of_a_file_is_forgotten(site):
    for _ in range(10):
        s = site.connect()
        s.sendall(get("/big") * 5)
        s.recv(1000)
        s.close()
    procs.eventually(lambda: site.status()["totals"]["connections"] == 0, 10,
                     "no connection")
    if os.getuid() == 0:
        (pid,) = site.children().values()
        assert "/big" not in " ".join(procs.fd_kinds(pid))


def test_an_absolute_form_request_is_served(site):
    answer = ask(site.connect(), get("http://test/small"))
    assert answer.status == 200
    assert len(answer.body) == 100


def test_an_empty_line_before_a_request_is_tolerated(site):
    assert ask(site.connect(), b"\r\n" + get("/small")).status == 200


def test_an_idle_keep_alive_connection_does_not_hold_up_a_stop(site):
    s = site.connect()
    assert ask(s, get("/small")).status == 200
    assert site.tinectl("stop", timeout=15).returncode == 0
    assert s.recv(1) == b""
