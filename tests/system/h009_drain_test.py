# SPDX-License-Identifier: BSD-2-Clause
"""A child that leaves answers all that its http clients have sent."""

import contextlib
import subprocess

import pytest

from http1 import ask, get, read_answer

GRACE = "400ms"


@pytest.fixture
def draining(tine):
    """A connection of a child that drains, and has answered on it before."""
    t = tine("-o", f"timing.keepalive-grace={GRACE}", "-l",
             "tcp://127.0.0.1:0", "-n", "1", "http", "text=hello")

    @contextlib.contextmanager
    def begin():
        s = t.connect()
        assert ask(s, get("/")).body == b"hello"
        drain = subprocess.Popen(
            [t.stage.tinectl, "-C", t.control, "drain", "0"])
        try:
            # The master knows a moment before the child does.
            t.wait_log("draining, connections open")
            yield s
            assert drain.wait(10) == 0
        finally:
            drain.kill()
            drain.wait()

    return begin


def closes(answer):
    return answer.fields.get("connection") == "close"


def test_the_next_request_of_an_idle_client_is_answered_and_is_the_last(
        draining):
    with draining() as s:
        answer = ask(s, get("/"))
        assert answer.body == b"hello" and closes(answer)
        assert s.recv(1) == b""


def test_an_idle_client_that_stays_silent_meets_the_end_after_the_grace(
        draining):
    with draining() as s:
        assert s.recv(1) == b""


def test_only_the_last_of_a_pipeline_says_goodbye(draining):
    with draining() as s:
        s.sendall(get("/") * 50)
        answers = [read_answer(s) for _ in range(50)]
        assert {a.body for a in answers} == {b"hello"}
        assert [closes(a) for a in answers] == [False] * 49 + [True]
        assert s.recv(1) == b""


def test_a_pipeline_that_is_cut_inside_a_request_is_answered_whole(draining):
    with draining() as s:
        request = get("/")
        s.sendall(request * 2 + request[:9])
        assert not closes(read_answer(s))
        assert not closes(read_answer(s))
        # It is not idle either: what it has begun may take its time.
        s.settimeout(0.8)
        with pytest.raises(TimeoutError):
            s.recv(1)
        s.settimeout(10)
        last = ask(s, request[9:])
        assert last.body == b"hello" and closes(last)
        assert s.recv(1) == b""


def test_a_line_end_behind_a_request_is_no_request(draining):
    with draining() as s:
        assert closes(ask(s, get("/") + b"\r\n"))
        assert s.recv(1) == b""
