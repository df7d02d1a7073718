# SPDX-License-Identifier: BSD-2-Clause
"""crowd.py: many idle connections, held by a process of their own so that the
tests' limit of descriptors does not count. usage: crowd.py HOST PORT N SOURCE

Says "open N" when all are connected; to each line on its standard input it
writes one byte on every connection, reads it back and says "echoed N"; ends
with its input."""

import resource
import socket
import sys


def main():
    host, port, n, source = sys.argv[1:]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    crowd = []
    for _ in range(int(n)):
        s = socket.create_connection((host, int(port)), 20, (source, 0))
        crowd.append(s)
    print(f"open {len(crowd)}", flush=True)
    for _ in sys.stdin:
        for s in crowd:
            s.sendall(b"x")
        echoed = sum(s.recv(1) == b"x" for s in crowd)
        print(f"echoed {echoed}", flush=True)


main()
