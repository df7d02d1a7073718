# SPDX-License-Identifier: BSD-2-Clause
"""Clients that people use: curl, Python's http.client, wrk, h2load, nc."""

import http.client
import re
import subprocess

import pytest


@pytest.fixture
def site(tine, folder):
    with open(f"{folder}/index.html", "w", encoding="ascii") as f:
        f.write("<!doctype html><title>home</title>\n" * 100)
    return tine("-l", "tcp://127.0.0.1:0", "-l", "unix://socket", "-n", "2",
                "http", "root=.", folder=folder)


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, timeout=30, check=True,
                          **options).stdout


def test_curl_keeps_the_connection_for_the_second_url(site):
    url = f"http://127.0.0.1:{site.port()}/"
    out = run("curl", "-sS", "-w", "%{num_connects} %{http_code}\n", url, url,
              "-o", "/dev/null", "-o", "/dev/null", text=True)
    assert out.split() == ["1", "200", "0", "200"]


def test_curl_over_a_unix_socket(site):
    out = run("curl", "-sS", "--unix-socket", f"{site.folder}/socket",
              "http://x/")
    assert out.startswith(b"<!doctype html>")


def test_curl_head(site):
    out = run("curl", "-sSI", f"http://127.0.0.1:{site.port()}/", text=True)
    assert out.startswith("HTTP/1.1 200 OK")
    assert re.search(r"Content-Length: 3500\r?\n", out)


def test_python_keeps_one_connection_for_a_hundred_requests(site):
    conn = http.client.HTTPConnection("127.0.0.1", site.port(), timeout=10)
    for _ in range(100):
        conn.request("GET", "/index.html")
        answer = conn.getresponse()
        assert answer.status == 200
        assert len(answer.read()) == 3500
    conn.close()
    assert site.status()["totals"]["accepted"] == 1


@pytest.mark.load
def test_wrk_sees_no_error(site):
    out = run("wrk", "-t2", "-c32", "-d2s",
              f"http://127.0.0.1:{site.port()}/", text=True)
    assert "Socket errors" not in out, out
    assert "Non-2xx" not in out, out
    print(re.search(r"Requests/sec:.*", out).group())


@pytest.mark.load
def test_h2load_with_http_1_sees_no_error(site):
    out = run("h2load", "--h1", "-n5000", "-c20", "-m4",
              f"http://127.0.0.1:{site.port()}/", text=True)
    assert re.search(r"5000 succeeded, 0 failed, 0 errored", out), out
    assert re.search(r"status codes: 5000 2xx", out), out


def test_nc_over_a_unix_socket(site):
    out = run("nc", "-U", f"{site.folder}/socket",
              input=b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 200 OK\r\n")
    assert out.endswith(b"</title>\n")
