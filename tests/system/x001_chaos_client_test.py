# SPDX-License-Identifier: BSD-2-Clause
"""The open-loop client of the chaos runs: each failure gets its name, and what
a server may do is none. A client that overlooks a failure would prove anything,
so here it meets servers that fail on purpose."""

import contextlib
import os
import socket
import struct
import sys
import threading

import pytest

import load
import net
import procs

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "chaos"))

from pattern import pattern  # noqa: E402

BODY = pattern(100)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + BODY
LAST = ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


# ---- servers ----

class Server:
    """Calls act(connection, its number) for each connection, in a thread."""

    def __init__(self, act, path=None):
        self.act = act
        self.count = 0
        self.socket = socket.socket(
            socket.AF_UNIX if path else socket.AF_INET)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.socket.listen(100)
        self.target = f"unix:{path}" if path else \
            "tcp:127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.socket.accept()
                threading.Thread(target=self._serve, args=(conn, self.count),
                                 daemon=True).start()
                self.count += 1

    def _serve(self, conn, number):
        with contextlib.suppress(OSError), conn:
            self.act(conn, number)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


def read_question(conn):
    """True when one has come."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        part = conn.recv(1)
        if not part:
            return False
        data += part
    return True


def answers(conn, _):
    while read_question(conn):
        conn.sendall(ANSWER)


def when_asked(how):
    """A server that does this after each question."""
    def act(conn, _):
        if read_question(conn):
            how(conn)
    return act


def reset(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    conn.close()


def half(conn):
    """A part of the answer, and time to read it."""
    conn.sendall(ANSWER[:80])
    net.wait_seconds(0.1)


def half_then_reset(conn):
    half(conn)
    reset(conn)


def half_then_wait(conn):
    half(conn)
    conn.recv(1)


# ---- clients ----

@pytest.fixture
def serve(folder):
    """serve(act) is the target of a server of this test."""
    servers = []

    def start(act, unix=False):
        path = os.path.join(folder, "socket") if unix else None
        servers.append(Server(act, path))
        return servers[-1].target

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def ask(stage, folder):
    """ask(kind, target, seconds, ...) runs a client so long; without seconds,
    until it has seen a failure."""
    clients = []

    def run(kind, target, seconds=None, **options):
        options = {"path": "/x", "rate": 50, "seed": 7, "bytes": len(BODY),
                   "timeout_ms": 1000} | options
        client = load.Client(stage, folder, kind, target, **options)
        clients.append(client)
        client.wait_started()
        if seconds is None:
            procs.eventually(client.seen, 20, "a failure")
        else:
            net.wait_seconds(seconds)
        client.finish(20)
        return client

    yield run
    for client in clients:
        client.kill()


STAYS = {"gap_max_ms": 50}


# ---- failures ----

@pytest.mark.parametrize("how, name, phase", [
    (reset, "reset_before_byte", "sent"),
    (half_then_reset, "reset_in_middle", "answering"),
    (lambda conn: None, "eof", "sent"),
    (half, "eof", "answering"),
    (lambda conn: conn.sendall(ANSWER[:-1] + b"!"), "wrong_bytes",
     "answering"),
    (lambda conn: conn.sendall(ANSWER + b"!"), "wrong_bytes", "answering"),
    (lambda conn: conn.sendall(ANSWER.replace(b"200", b"503")), "wrong_bytes",
     "answering"),
    (lambda conn: conn.sendall(b"x" * 5000), "wrong_bytes", "answering"),
    (lambda conn: conn.recv(1), "timeout", "sent"),
    (half_then_wait, "timeout", "answering"),
])
@pytest.mark.parametrize("kind", ["fresh", "keepalive"])
def test_a_failure_has_its_name_and_says_how_far_it_was(
        serve, ask, kind, how, name, phase):
    client = ask(kind, serve(when_asked(how)),
                 **(STAYS if kind == "keepalive" else {}))
    got = {(f["failure"], f["phase"]) for f in client.failures}
    assert got == {(name, phase)}, client.failures
    assert client.report["failures"][name] == len(client.failures)


def test_nobody_listens(ask, folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        target = "tcp:127.0.0.1:%d" % s.getsockname()[1]
        client = ask("fresh", target)
    assert {f["failure"] for f in client.failures} == {"refused"}
    client = ask("keepalive", f"unix:{folder}/nobody", **STAYS)
    assert {f["failure"] for f in client.failures} == {"refused"}
    assert {f["phase"] for f in client.failures} == {"connecting"}


@pytest.mark.parametrize("unix", [False, True])
def test_a_failure_names_its_connection_as_the_server_sees_it(
        serve, ask, unix):
    seen = []

    def act(conn, _):
        if read_question(conn):
            seen.append(conn.getpeername())
    client = ask("fresh", serve(act, unix=unix))
    for failure in client.failures:
        assert failure["begun"] <= failure["at"]
        assert failure["sent"] > 0 == failure["received"]
    names = {f["id"] for f in client.failures}
    assert len(names) == len(client.failures)
    if not unix:
        assert names == {port for _, port in seen}


def test_a_question_whose_connection_closes_before_the_answer_is_lost(
        serve, ask):
    """The server closes while a question is on its way: who was first, the
    client cannot know."""
    def act(conn, _):
        for _ in range(3):
            if read_question(conn):
                conn.sendall(ANSWER)
        # The next one is never read: this is how a reload loses it.
        conn.recv(1, socket.MSG_PEEK)
    client = ask("keepalive", serve(act), **STAYS)
    assert {f["failure"] for f in client.failures} == {"reset_before_byte"}
    assert client.report["answers"] >= 3


def test_an_unanswered_part_of_a_pipeline_is_a_failure(serve, ask):
    def act(conn, _):
        for _ in range(3):
            read_question(conn)
        conn.sendall(ANSWER + ANSWER + LAST)
    client = ask("pipelined", serve(act), batch=4, **STAYS)
    assert {f["failure"] for f in client.failures} <= \
        {"eof", "reset_in_middle"}
    assert {f["phase"] for f in client.failures} == {"answering"}


# ---- what is none ----

@pytest.mark.parametrize("unix", [False, True])
@pytest.mark.parametrize("kind, options", [
    ("fresh", {"poisson": 1}),
    ("keepalive", STAYS),
    ("pipelined", STAYS | {"batch": 8}),
    ("half-open", {"gap_min_ms": 100, "gap_max_ms": 300}),
    ("long", {"pace": 200}),
])
def test_a_sound_server_has_no_failure(serve, ask, kind, options, unix):
    client = ask(kind, serve(answers, unix=unix), 1.0, **options)
    report = client.report
    assert not client.failures
    assert not any(report["failures"].values())
    assert report["begun"] == report["connected"] > 0
    assert report["answers"] >= 15
    assert len(list(client.samples())) == report["answers"]
    if kind == "half-open":
        assert report["p50_ms"] < 100
    if kind == "long":
        # 141 bytes at 200 a second.
        assert report["p50_ms"] > 600


def test_a_server_may_close_with_an_answer_or_between_questions(serve, ask):
    def act(conn, number):
        for _ in range(3):
            if read_question(conn):
                conn.sendall(ANSWER)
        if number % 2 == 1 and read_question(conn):
            conn.sendall(LAST)
    client = ask("keepalive", serve(act), 1.0, gap_min_ms=50, gap_max_ms=60)
    assert not client.failures
    assert client.report["idle_closes"] > 0
    assert client.report["answers"] > 3 * client.report["idle_closes"]


# ---- open loop ----

def test_latency_counts_from_the_intended_moment_and_nobody_waits(serve, ask):
    def act(conn, number):
        if number == 3:
            net.wait_seconds(0.3)
        answers(conn, number)
    client = ask("fresh", serve(act), 1.0)
    samples = sorted(client.samples())
    assert not client.failures
    assert 300 <= client.report["max_ms"] < 1000
    assert client.report["p90_ms"] < 100
    # 50 a second, whatever became of the slow one.
    assert {b[0] - a[0] for a, b in zip(samples, samples[1:])} == {20_000_000}


def test_a_late_answer_does_not_move_the_next_question(serve, ask):
    """Questions that came due meanwhile count from when they came due."""
    def act(conn, _):
        if read_question(conn):
            net.wait_seconds(0.5)
            conn.sendall(ANSWER)
        answers(conn, None)
    client = ask("keepalive", serve(act), 1.0, rate=10, gap_min_ms=99,
                 gap_max_ms=100)
    waits = [latency / 1e6 for _, latency, _ in client.samples()]
    assert not client.failures
    for wait, expected in zip(waits, (500, 400, 300, 200, 100)):
        assert expected <= wait < expected + 90


def test_the_same_seed_makes_the_same_arrivals(serve, ask):
    target = serve(answers)
    runs = [sorted(due for due, _, _ in
                   ask("fresh", target, 0.5, poisson=1, seed=seed).samples())
            for seed in (5, 5, 6)]
    a, b, c = ([due - run[0] for due in run][:20] for run in runs)
    assert a == b != c


# ---- streams ----

def echo(conn, _):
    while data := conn.recv(65536):
        conn.sendall(data)


@pytest.mark.parametrize("unix", [False, True])
def test_streams_are_echoed_to_the_last_byte(serve, ask, unix):
    client = ask("echo", serve(echo, unix=unix), 1.0, rate=5, bytes=50000,
                 pace=200000)
    report = client.report
    assert not client.failures
    assert report["done"] == report["begun"] >= 5
    assert report["bytes_up"] == report["bytes_down"] > 100000


def spoil(change):
    """An echo that changes what it sends back after 1000 bytes."""
    def act(conn, _):
        seen = 0
        while data := conn.recv(65536):
            seen += len(data)
            conn.sendall(change(data) if seen > 1000 else data)
    return act


@pytest.mark.parametrize("change", [
    lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    lambda data: data[1:] + data[:1],
    lambda data: data + data,
])
def test_a_spoilt_byte_in_a_stream_is_seen(serve, ask, change):
    client = ask("echo", serve(spoil(change)), bytes=50000, pace=50000)
    assert {f["failure"] for f in client.failures} == {"wrong_bytes"}


def test_a_stream_that_stands_still_times_out(serve, ask):
    client = ask("echo", serve(spoil(lambda data: b"")), bytes=50000,
                 pace=50000)
    assert {f["failure"] for f in client.failures} == {"timeout"}


@pytest.mark.parametrize("keep, name", [(0, "early"), (1, "eof")])
def test_a_stream_that_ends_early_tells_if_a_byte_is_lost(
        serve, ask, keep, name):
    def act(conn, _):
        seen = 0
        while seen < 1000:
            data = conn.recv(65536)
            seen += len(data)
            # All but what is kept back.
            conn.sendall(data if seen < 1000 else data[:len(data) - keep])
    client = ask("echo", serve(act), rate=5, bytes=50000, pace=5000)
    assert {f["failure"] for f in client.failures} == {name}
