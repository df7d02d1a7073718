# SPDX-License-Identifier: BSD-2-Clause
"""No path leads out of the root, however it is written."""

import os

import pytest

import net
from http1 import Answer

ATTEMPTS = [
    "/../secret.txt", "/../../../../../../../../etc/passwd",
    "/a/../../secret.txt", "/..", "/../", "/a/..", "/%2e%2e/secret.txt",
    "/%2e%2e%2fsecret.txt", "/..%2fsecret.txt", "/.%2e/secret.txt",
    "/%252e%252e/secret.txt", "/..%5csecret.txt", "/..\\secret.txt",
    "/....//secret.txt", "/..;/secret.txt", "/a/%2e%2e/%2e%2e/secret.txt",
    "/%c0%ae%c0%ae/secret.txt", "/..%00/secret.txt", "/..%c0%af/secret.txt",
    "//../secret.txt", "///etc/passwd", "/./../secret.txt",
    "/a/b/../../../secret.txt", "/link/secret.txt", "/link",
    "/absolute-link", "/proc-link/self/environ",
    "http://test/../secret.txt", "/%2fetc%2fpasswd", "/~root/",
    "/a/./.././../secret.txt",
]


@pytest.fixture
def site(tine, folder):
    os.makedirs(f"{folder}/site/a/b")
    with open(f"{folder}/secret.txt", "w", encoding="ascii") as f:
        f.write("root: the secret")
    with open(f"{folder}/site/index.html", "w", encoding="ascii") as f:
        f.write("home")
    os.symlink("..", f"{folder}/site/link")
    os.symlink("/etc/passwd", f"{folder}/site/absolute-link")
    os.symlink("/proc", f"{folder}/site/proc-link")
    return tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", "root=site",
                folder=folder)


def test_no_way_of_writing_a_path_leads_out_of_the_root(site):
    told = []
    for path in ATTEMPTS:
        with site.connect() as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n"
                      "Connection: close\r\n\r\n".encode("latin-1"))
            raw = net.recv_all(s)
        head, _, body = raw.partition(b"\r\n\r\n")
        status = Answer(head, body).status
        if b"secret" in body or b"root:" in body or status >= 500:
            told.append((path, status))
        if status == 200 and body != b"home":
            told.append((path, status))
    assert told == []
