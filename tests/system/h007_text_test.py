# SPDX-License-Identifier: BSD-2-Clause
"""http text=: one answer for everything, and bodies that are read past."""

import pytest

from http1 import ask, get, read_answer


@pytest.fixture
def hello(tine):
    return tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http",
                r"text=Hello\tWorld\x21\r\n")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH",
                                    "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/any/where?x=1"])
def test_every_known_method_and_path_gets_the_text(hello, method, path):
    answer = ask(hello.connect(), get(path, method=method))
    assert answer.status == 200
    assert answer.body == b"Hello\tWorld!\r\n"
    assert answer.fields["content-length"] == "14"
    assert answer.fields["server"].startswith("tine")
    assert "date" in answer.fields


def test_head_gets_the_length_of_the_text_only(hello):
    s = hello.connect()
    answer = ask(s, get("/", method="HEAD"))
    assert answer.fields["content-length"] == "14"
    assert ask(s, get("/")).body == b"Hello\tWorld!\r\n"


@pytest.mark.parametrize("size", [1, 100, 65_536, 3_000_000])
def test_a_body_is_read_past_before_the_next_request(hello, size):
    s = hello.connect()
    s.sendall(get("/", f"Content-Length: {size}", method="POST"))
    s.sendall(b"GET /smuggled"[:size].ljust(size, b"x"))
    s.sendall(get("/next"))
    assert read_answer(s).status == 200
    assert read_answer(s).status == 200


def test_the_text_may_be_empty(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", "text=")
    answer = ask(t.connect(), get("/"))
    assert (answer.status, answer.fields["content-length"]) == (200, "0")


def test_the_text_may_hold_a_null_byte(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", r"text=a\0b")
    assert ask(t.connect(), get("/")).body == b"a\0b"
