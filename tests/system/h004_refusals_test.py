# SPDX-License-Identifier: BSD-2-Clause
"""Requests that must be refused: each with its status, and the connection
closed where bytes could be read as a second request."""

import pytest

import net
from http1 import ask, get, read_answer


@pytest.fixture(scope="module")
def site(stage):
    from tine import Tine
    folder = stage.folder()
    with open(f"{folder}/index.html", "w", encoding="ascii") as f:
        f.write("home")
    t = Tine(stage, folder, ["-l", "tcp://127.0.0.1:0", "-n", "1", "http",
                             "root=."]).wait_ready()
    yield t
    wrong = t.close()
    assert wrong == []


def field(*lines):
    return get("/", *lines)


BAD = {
    "no host": get("/", host=None),
    "two hosts": field("Host: other"),
    "a host with a user": get("/", host="u@test"),
    "a host with a space": get("/", host="te st"),
    "a space before the colon": field("Name : x"),
    "an empty name": field(": x"),
    "a folded line": field("A: b", " c"),
    "a name that is no token": field("A\"b: c"),
    "a NUL in a value": field("A: b\0c"),
    "a lone CR in a value": field("A: b\rc"),
    "bare line feeds": b"GET / HTTP/1.1\nHost: test\n\n",
    "a space in front": b" " + get("/"),
    "two spaces": b"GET  / HTTP/1.1\r\nHost: test\r\n\r\n",
    "no version": b"GET /\r\nHost: test\r\n\r\n",
    "a small version": b"GET / http/1.1\r\nHost: test\r\n\r\n",
    "a fragment": get("/a#b"),
    "a high byte in the path": b"GET /\xe4 HTTP/1.1\r\nHost: test\r\n\r\n",
    "a path without a slash": get("index.html"),
    "length and coding": field("Content-Length: 1",
                               "Transfer-Encoding: chunked"),
    "two lengths": field("Content-Length: 1", "Content-Length: 2"),
    "the same length twice": field("Content-Length: 1", "Content-Length: 1"),
    "a list of lengths": field("Content-Length: 1, 1"),
    "a signed length": field("Content-Length: +1"),
    "an empty length": field("Content-Length:"),
    "a hexadecimal length": field("Content-Length: 0x1"),
    "a length of 20 digits": field("Content-Length: 99999999999999999999"),
    "a coding in 1.0": get("/", "Transfer-Encoding: chunked",
                           version="HTTP/1.0"),
    "a method of one bracket": get("/", method="GE[T"),
    "plain nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_request_is_400_and_the_end(site, name):
    s = site.connect()
    s.sendall(BAD[name] + get("/smuggled"))
    answer = read_answer(s)
    assert answer.status == 400
    assert answer.fields["connection"] == "close"
    assert net.recv_all(s) == b""


@pytest.mark.parametrize("path", ["/%00", "/a%2fb", "/%2", "/%zz", "/a%"])
def test_a_path_that_cannot_be_decoded_is_400(site, path):
    assert ask(site.connect(), get(path)).status == 400


def test_an_unknown_path_is_404_and_the_connection_goes_on(site):
    s = site.connect()
    assert ask(s, get("/none")).status == 404
    assert ask(s, get("/")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_method_that_files_do_not_have_is_405_with_allow(site, method):
    answer = ask(site.connect(), get("/", method=method))
    assert answer.status == 405
    assert {x.strip() for x in answer.fields["allow"].split(",")} >= \
        {"GET", "HEAD"}


@pytest.mark.parametrize("method", ["BREW", "get", "X" * 40])
def test_an_unknown_method_is_405_or_501(site, method):
    assert ask(site.connect(), get("/", method=method)).status in (405, 501)


def padded(total):
    """A request line of `total` bytes before its CRLF."""
    return get("/?" + "x" * (total - len("GET /? HTTP/1.1")))


@pytest.mark.parametrize("size,status", [(8191, 200), (8192, 200),
                                         (8193, 414), (20_000, 414)])
def test_a_request_line_has_at_most_8_kib(site, size, status):
    s = site.connect()
    assert ask(s, padded(size)).status == status


@pytest.mark.parametrize("count,status", [(99, 200), (100, 200), (101, 431)])
def test_a_head_has_at_most_100_fields(site, count, status):
    fields = [f"X-{i}: y" for i in range(count - 1)]
    assert ask(site.connect(), get("/", *fields)).status == status


@pytest.mark.parametrize("size,status", [(32767, 200), (32768, 200),
                                         (32769, 431), (60_000, 431)])
def test_a_head_has_at_most_32_kib(site, size, status):
    rest = size - len(get("/", "A: ", "B: "))
    raw = get("/", "A: " + "a" * (rest // 2), "B: " + "b" * (rest - rest // 2))
    assert len(raw) == size
    assert ask(site.connect(), raw).status == status


@pytest.mark.parametrize("version,status", [
    ("HTTP/2.0", 505), ("HTTP/9.9", 505)])
def test_another_major_version_is_505(site, version, status):
    assert ask(site.connect(), get("/", version=version)).status == status


def test_an_unknown_coding_is_501_and_the_end(site):
    s = site.connect()
    answer = ask(s, field("Transfer-Encoding: gzip"))
    assert answer.status == 501
    assert net.recv_all(s) == b""


def test_an_error_says_nothing_of_the_files(site):
    answer = ask(site.connect(), get("/none<script>"))
    assert b"<script>" not in answer.body
    assert site.folder.encode() not in answer.body
