# SPDX-License-Identifier: BSD-2-Clause
"""The examples do what their first lines say, alone, two at once, and while
their children are replaced and killed."""

import os
import random
import signal
import socket
import struct
import subprocess
import threading

import pytest

import net
import procs
from e001_codec_test import message, recv_message

LOOPBACK = "tcp://127.0.0.1:0"
HELLO = b"Hello World!"
REQUEST = b"GET /a/path?with=query HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"


@pytest.fixture
def example(tine, stage):
    def start(name, *more, listen=LOOPBACK, children=1):
        return tine("-l", listen, "-n", children, stage.example(name), *more)
    return start


def recv_answer(sock):
    """One HTTP answer: its head and its body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, head
        head += byte
    assert b"\r\nContent-Length: 12\r\n" in head
    return head, net.recv_exact(sock, 12)


def test_promised_numbers_of_lines_are_kept():
    root = os.path.join(os.path.dirname(__file__), "..", "..")
    subprocess.run(["scripts/lines"], cwd=root, check=True)


# ---- echo, upper, line ----

def test_echo_gives_back_every_byte(example):
    t = example("echo")
    data = random.Random(1).randbytes(4 << 20)
    with t.connect() as s:
        s.sendall(data)
        assert net.recv_exact(s, len(data)) == data


def test_upper_answers_in_capitals(example):
    t = example("upper")
    with t.connect() as s:
        s.sendall(b"hello, 1 World\n" * 1000)
        assert net.recv_exact(s, 15000) == b"HELLO, 1 WORLD\n" * 1000


def test_line_answers_lines_and_quits(example):
    t = example("line")
    with t.connect() as s:
        s.sendall(b"ping\r\nhel")
        assert net.recv_line(s) == "pong"
        s.sendall(b"lo\nquit\nping\n")
        assert net.recv_all(s) == b"hello\n"


def test_line_closes_on_one_that_is_too_long(example):
    t = example("line")
    with t.connect() as s:
        s.sendall(b"ping\n" + b"x" * 2000)
        assert net.recv_all(s) == b"pong\n"


# ---- chat ----

def test_what_one_types_all_others_read(example):
    t = example("chat")
    with t.connect() as ann, t.connect() as bob:
        assert net.recv_line(ann) == "guest 1 is here"
        assert net.recv_line(ann) == "guest 2 is here"
        assert net.recv_line(bob) == "guest 2 is here"
        ann.sendall(b"/name Ann\nhello\n")
        assert net.recv_line(bob) == "Ann: hello"
        bob.sendall(b"hi\n" + b"y" * 400 + b"\n")
        assert net.recv_line(ann) == "guest 2: hi"
        assert net.recv_line(ann) == "guest 2: " + "y" * 400
        ann.close()
        assert net.recv_line(bob) == "Ann has left"


def test_a_guest_that_never_reads_holds_up_nobody(example):
    t = example("chat", "-o", "servers.0.limits.output=64k",
                "-o", "servers.0.limits.output-high=32k",
                "-o", "servers.0.limits.output-low=16k")
    with t.connect() as ann, t.connect() as bob, t.connect() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert net.recv_line(bob) == "guest 2 is here"
        assert net.recv_line(bob) == "guest 3 is here"
        line = b"z" * 400
        for _ in range(100):
            ann.sendall((line + b"\n") * 100)
            wanted = b"guest 1: " + line + b"\n"
            assert net.recv_exact(bob, 100 * len(wanted)) == 100 * wanted
        assert t.status()["children"][0]["rss_bytes"] < 64 << 20


# ---- kv ----

def ask(sock, question):
    sock.sendall(message(question))
    return recv_message(sock)


def setting(key, value):
    return b"S" + struct.pack(">H", len(key)) + key + value


def test_kv_keeps_values_and_forgets_them(example):
    t = example("kv")
    with t.connect() as s, t.connect() as other:
        assert ask(s, b"Gkey") == b"-"
        assert ask(s, setting(b"key", b"value")) == b"+"
        assert ask(other, b"Gkey") == b"+value"
        assert ask(s, setting(b"key", b"")) == b"+"
        assert ask(other, b"Gkey") == b"+"
        assert ask(other, b"Dkey") == b"+"
        assert ask(s, b"Dkey") == b"-"
        assert ask(s, b"") == ask(s, b"Sx") == b"!malformed"
        assert ask(s, setting(b"long", b"v")[:-3]) == b"!malformed"


def test_kv_keeps_thousands_of_values_and_finds_each(example):
    t = example("kv")
    rng = random.Random(2)
    pairs = {rng.randbytes(rng.randint(0, 30)): rng.randbytes(
        rng.randint(0, 300)) for _ in range(3000)}
    with t.connect() as s:
        s.sendall(b"".join(message(setting(k, v)) for k, v in pairs.items()))
        for _ in pairs:
            assert recv_message(s) == b"+"
        s.sendall(b"".join(message(b"G" + k) for k in pairs))
        for value in pairs.values():
            assert recv_message(s) == b"+" + value


def test_kv_keeps_no_more_than_its_memory_and_loses_nothing_by_it(example):
    t = example("kv", "memory=64k")
    with t.connect() as s:
        assert ask(s, setting(b"a", bytes(60000))) == b"+"
        assert ask(s, setting(b"b", bytes(6000))) == b"!full"
        assert ask(s, setting(b"a", bytes(70000))) == b"!full"
        assert ask(s, b"Ga") == b"+" + bytes(60000)
        assert ask(s, setting(b"a", b"")) == b"+"
        assert ask(s, setting(b"b", bytes(6000))) == b"+"


# ---- udp_time ----

def test_udp_time_answers_who_asks(example):
    t = example("udp_time", listen="udp://127.0.0.1:0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.connect(t.address())
        s.send(b"something else")
        s.send(b"time\n")
        answer = s.recv(100)
        assert len(answer) == 21 and answer.endswith(b"Z\n")
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(100)


# ---- proxy ----

@pytest.fixture
def proxied(tine, example):
    """A server and a proxy before it."""
    def start(handler):
        back = tine("-l", LOOPBACK, "-n", 1, handler)
        return example("proxy", f"to={back.listeners[0][0]}", children=2)
    return start


def test_proxy_passes_every_byte_on_both_ways(proxied):
    t = proxied("echo")
    for size in (1, 4096, 65537, 8 << 20):
        data = random.Random(size).randbytes(size)
        with t.connect() as s:
            sender = threading.Thread(target=s.sendall, args=(data,))
            sender.start()
            assert net.recv_exact(s, size) == data
            sender.join(10)


def test_proxy_passes_the_end_of_file_on(proxied):
    t = proxied("upper")
    with t.connect() as s:
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        assert net.recv_all(s) == b"HELLO"


def test_proxy_passes_http_on(proxied, stage):
    t = proxied(stage.example("http_hello"))
    with t.connect() as s:
        s.sendall(REQUEST * 3 + b"GET / HTTP/1.0\r\n\r\n")
        for _ in range(4):
            assert recv_answer(s)[1] == HELLO
        assert net.recv_all(s) == b""


def test_proxy_resets_a_client_when_nobody_is_behind_it(example):
    t = example("proxy", f"to=tcp://127.0.0.1:{net.free_port()}")
    # The reset may be there before connect() has returned.
    with pytest.raises(ConnectionResetError), t.connect() as s:
        s.recv(1)
    t.wait_log("the server behind: error 111")


def test_proxy_wants_to_know_whom_to_connect_to(run_tine, stage):
    done = run_tine("-C", "none", "-l", LOOPBACK, "-n", "1",
                    stage.example("proxy"))
    assert done.returncode == 69
    assert "proxy: set to=URL, the server behind" in done.stderr


# ---- http_hello ----

def test_http_hello_answers_a_request(example):
    t = example("http_hello")
    with t.connect() as s:
        s.sendall(REQUEST)
        head, body = recv_answer(s)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nServer: tine\r\n" in head
    assert b"\r\nDate: " in head and b" GMT\r\n" in head
    assert body == HELLO


def test_http_hello_answers_a_pipeline_in_any_pieces(example):
    t = example("http_hello")
    post = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345"
    data = (REQUEST + post) * 50
    for piece in (1, 7, 100, len(data)):
        with t.connect() as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(data), piece):
                s.sendall(data[at:at + piece])
            for _ in range(100):
                assert recv_answer(s)[1] == HELLO
    assert t.status()["totals"]["requests"] == 400


def test_http_hello_waits_for_a_whole_request_and_its_body(example):
    t = example("http_hello")
    with t.connect() as s:
        for part in (b"POST /x HTTP/1.1\r\nCont", b"ent-Length: 100000\r\n",
                     b"\r\n", bytes(60000)):
            s.sendall(part)
            s.settimeout(0.1)
            with pytest.raises(TimeoutError):
                s.recv(1)
        s.settimeout(10)
        s.sendall(bytes(40000) + REQUEST)
        assert recv_answer(s)[1] == recv_answer(s)[1] == HELLO


@pytest.mark.parametrize("bad", [
    b"get / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"GET x HTTP/1.1\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\n: no name\r\n\r\n",
    b"GET / HTTP/1.1\r\nNull: \0\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\0\1\2\3\r\n\r\n",
    b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: " + b"y" * 9000,
])
def test_http_hello_answers_what_is_malformed_and_closes(example, bad):
    t = example("http_hello")
    with t.connect() as s:
        s.sendall(REQUEST + bad)
        assert recv_answer(s)[1] == HELLO
        assert net.recv_all(s).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_http_hello_closes_after_an_answer_to_http_1_0(example):
    t = example("http_hello")
    with t.connect() as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert recv_answer(s)[1] == HELLO
        assert net.recv_all(s) == b""


# ---- together, and while children come and go ----

def two_at_once(tine, stage, folder):
    config = os.path.join(folder, "two.yaml")
    with open(config, "w", encoding="ascii") as f:
        f.write(f"""
processes: 2
timing: {{ prove: 0s, commit: 0s }}
servers:
  - listen: [ "tcp://127.0.0.1:0" ]
    handler: {stage.example("line")}
  - listen: [ "tcp://127.0.0.1:0" ]
    handler: {stage.example("http_hello")}
""")
    return tine("-c", config)


def check_both(t):
    with t.connect(0) as s:
        s.sendall(b"ping\n")
        assert net.recv_line(s) == "pong"
    with t.connect(1) as s:
        s.sendall(REQUEST)
        assert recv_answer(s)[1] == HELLO


def test_two_examples_run_in_one_server(tine, stage, folder):
    t = two_at_once(tine, stage, folder)
    for _ in range(20):
        check_both(t)


def test_two_examples_serve_on_while_they_are_reloaded(tine, stage, folder):
    t = two_at_once(tine, stage, folder)
    for _ in range(3):
        reload = subprocess.Popen([t.stage.tinectl, "-C", t.control, "reload"])
        try:
            check_both(t)
            while reload.poll() is None:
                check_both(t)
        finally:
            assert reload.wait(30) == 0
    check_both(t)


def test_a_message_begun_before_a_reload_is_answered_after_it(
        tine, stage, folder):
    t = two_at_once(tine, stage, folder)
    with t.connect(0) as s:
        s.sendall(b"ping\npi")
        assert net.recv_line(s) == "pong"
        assert t.tinectl("reload").returncode == 0
        s.sendall(b"ng\n")
        assert net.recv_line(s) == "pong"
        s.sendall(b"quit\n")
        assert net.recv_all(s) == b""


def test_two_examples_serve_on_when_a_child_is_killed(tine, stage, folder):
    t = two_at_once(tine, stage, folder)
    for _ in range(3):
        old = t.children()
        os.kill(old[0], signal.SIGKILL)
        for _ in range(10):
            check_both(t)
        procs.eventually(lambda: old[0] not in t.wait_children(2), 10,
                         "a child in the place of the killed one")
    check_both(t)
