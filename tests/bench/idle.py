# SPDX-License-Identifier: BSD-2-Clause
"""idle.py: what an idle connection costs a child in memory of its own.
usage: idle.py [BUILD [CONNECTIONS]]

The measure of the test s008: what the child has written to of its private
memory, with a crowd of connections less without it, for each of them. The
crowd must stand before the first of them is closed for its silence, so there are
fewer than in the test."""

import os
import re
import signal
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, f"{TOP}/tests/lib")
import procs  # noqa: E402, the folder is named above


def measure(build, count):
    memory = procs.dirty_kib if os.getuid() == 0 else procs.private_kib
    with subprocess.Popen(
            [f"{build}/tine", "-C", "none", "-n", "1", "-l",
             "tcp://127.0.0.1:0", "echo"], stderr=subprocess.PIPE,
            text=True) as server:
        try:
            port = re.search(r"127\.0\.0\.1:(\d+)", server.stderr.readline())[1]
            (child,) = procs.children_of(server.pid)
            before = memory(child)
            with subprocess.Popen(
                    [sys.executable, f"{TOP}/tests/lib/crowd.py", "127.0.0.1",
                     port, str(count), "127.0.0.2"], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True) as crowd:
                assert crowd.stdout.readline() == f"open {count}\n"
                crowd.stdin.write("all\n")
                crowd.stdin.flush()
                # Whoever was answered has been accepted.
                assert crowd.stdout.readline() == f"echoed {count}\n"
                return (memory(child) - before) * 1024 / count
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate()


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else f"{TOP}/build"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    print(f"{measure(build, count):.0f} bytes for each of {count} connections")


main()
