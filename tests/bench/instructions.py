# SPDX-License-Identifier: BSD-2-Clause
"""instructions.py: what one request costs in instructions of this program.
usage: instructions.py [BUILD [REQUESTS [FOLDER]]]

The server runs under callgrind, which counts the same on every machine, however
busy it is. One client asks over one connection and waits for each answer. What a
run with more requests costs above one with fewer, for each of them, is a request
without its share of the start; of the kernel nothing is counted. With a FOLDER
callgrind's profiles are left there."""

import os
import re
import socket
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
WARM = 200  # with REQUESTS fewer than http answers over one connection
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
# Callgrind writes its profile when the server has dropped its privileges.
USER = ["-o", "user=root"] if os.getuid() == 0 else []
HANDLERS = (
    ("echo", ["echo"], b"x"),
    ("http text=", ["http", "text=Hello World!"], GET),
)


def ask(port, request, count):
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.sendall(request)
        length = len(s.recv(65536))
        for _ in range(count):
            s.sendall(request)
            got = 0
            while got < length:
                part = len(s.recv(65536))
                assert part, "closed in the middle"
                got += part


def run(build, handler, request, count, profile):
    """All instructions of a server that has answered so many."""
    with subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}",
             f"{build}/tine", "-X", "-C", "none", "-l", "tcp://127.0.0.1:0",
             *USER, *handler], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True) as server:
        try:
            for line in server.stderr:
                at = re.search(r"ready: .*127\.0\.0\.1:(\d+)", line)
                if at:
                    break
            else:
                sys.exit("instructions.py: no server under valgrind")
            ask(int(at[1]), request, count)
        finally:
            server.terminate()
            server.communicate()
    with open(profile, encoding="ascii") as f:
        return int(re.search(r"^totals: (\d+)", f.read(), re.M)[1])


def measure(build, handler, request, count, folder):
    few, many = (
        run(build, handler, request, n,
            os.path.join(folder, f"{handler[0]}-{n}"))
        for n in (WARM, WARM + count))
    return (many - few) / count


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else f"{TOP}/build"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 700
    with tempfile.TemporaryDirectory() as made:
        folder = sys.argv[3] if len(sys.argv) > 3 else made
        for name, handler, request in HANDLERS:
            each = measure(build, handler, request, count, folder)
            print(f"{name:12} {each:7.0f} instructions a request", flush=True)


main()
