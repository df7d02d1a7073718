# SPDX-License-Identifier: BSD-2-Clause
"""http1.py: HTTP/1.1 by hand, for requests that no client library would send:
raw bytes out, one parsed answer back."""

import net


class Answer:
    """One answer: status, fields in lower case, body, and the raw head."""

    def __init__(self, head, body):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, *_ = lines[0].split(" ", 2)
        self.status = int(status)
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields[name.lower()] = value.strip()
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.fields} {len(self.body)} bytes>"


def read_answer(sock, head_only=False):
    """The next answer on this connection; None when the peer closed first."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            assert not head, bytes(head)
            return None
        head += byte
    answer = Answer(bytes(head[:-4]), b"")
    has_body = not head_only and answer.status not in (204, 304)
    if has_body and "content-length" in answer.fields:
        n = int(answer.fields["content-length"])
        answer.body = net.recv_exact(sock, n)
        assert len(answer.body) == n
    return answer


def ask(sock, raw):
    """Send raw bytes, read one answer."""
    sock.sendall(raw)
    return read_answer(sock, raw.startswith(b"HEAD "))


def get(path, *fields, method="GET", version="HTTP/1.1", host="test"):
    """The bytes of a request."""
    lines = [f"{method} {path} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    return "\r\n".join([*lines, *fields, "", ""]).encode("latin-1")
