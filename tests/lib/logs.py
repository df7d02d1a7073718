# SPDX-License-Identifier: BSD-2-Clause
"""logs.py: what a log must look like, and what may read it."""

import os
import re
import socket
import threading

FILE_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) "
    r"(master|child \d+): [^\x00-\x1f\x7f]+")
OPENED = re.compile(r"(child \d+): conn (\d+\.\d+): opened from (\S+) on (\S+)")
CLOSED = re.compile(r"(child \d+): conn (\d+\.\d+): closed: (\S+) after "
                    r"(\d+\.\d{3}) s, in (\d+), out (\d+)")
LOST = re.compile(r"log: (\d+) lines? lost: ")


def read(path):
    """The lines of a log; the last must have its end."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert text == "" or text.endswith("\n"), text[-200:]
    return text.splitlines()


def torn(lines):
    """Lines that are none of a log file."""
    return [line for line in lines if not FILE_LINE.fullmatch(line)]


def lost(lines):
    """How many lines were said to be lost."""
    hits = (LOST.search(line) for line in lines)
    return sum(int(hit.group(1)) for hit in hits if hit)


class Syslog:
    """A syslog daemon at a path of the test's own."""

    def __init__(self, path):
        self.path = path
        self.lines = []
        self.socket = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.reader = threading.Thread(
            target=self._read, args=(self.socket,), daemon=True)
        self.reader.start()

    def _read(self, sock):
        while line := sock.recv(65536):
            self.lines.append(line.decode())

    def stop(self):
        """As a daemon that ends: the path is gone, the socket dead."""
        os.unlink(self.path)
        self.socket.shutdown(socket.SHUT_RDWR)
        self.reader.join()
        self.socket.close()
