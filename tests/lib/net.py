# SPDX-License-Identifier: BSD-2-Clause
"""net.py: the network of the tests. As root each test process gets a loopback
of its own, so that fixed ports are free, tests do not meet each other, and
nothing reaches the machine's network."""

import ctypes
import fcntl
import os
import select
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

# Of the next namespace's table of connections, which has 0, so as many as the
# machine's, where nobody says otherwise.
TABLE_SIZE = "/proc/sys/net/ipv4/tcp_child_ehash_entries"

_isolated = False


def isolate(table_size=None):
    """Enter a network namespace of our own, or stay without the right to.
    table_size: buckets of its table of connections. Whoever asks the kernel for
    all connections waits while it looks into every bucket: 5 ms for the 262,144
    of a large machine."""
    global _isolated
    if _isolated or os.getuid() != 0:
        return
    if table_size is not None:
        # The size is written in the parent: in one that is nobody else's.
        if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
            return
        with open(TABLE_SIZE, "w", encoding="ascii") as f:
            f.write(str(table_size))
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        return
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    _isolated = True


def udp_overflows():
    """Packets that the kernel dropped because a socket was full, in our
    network."""
    with open("/proc/self/net/snmp", encoding="ascii") as f:
        names, values = [line.split() for line in f if line.startswith("Udp:")]
    return int(dict(zip(names, values))["RcvbufErrors"])


class FixedPorts:
    """Ports that a command line names: held against other test processes when
    they share our loopback."""

    def __init__(self, *ports):
        self.ports = ports
        self.locks = []

    def __enter__(self):
        for port in () if _isolated else sorted(self.ports):
            path = f"/tmp/tine-test-port-{port}-{os.getuid()}.lock"
            lock = open(path, "w", encoding="ascii")
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.locks.append(lock)
        return self

    def __exit__(self, *_):
        for lock in self.locks:
            lock.close()
        self.locks = []


def free_port(host="127.0.0.1"):
    """A port that nobody listens on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def recv_exact(sock, n):
    """n bytes, or fewer when the peer closes first."""
    parts = []
    while n > 0:
        part = sock.recv(min(n, 1 << 20))
        if not part:
            break
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def recv_all(sock):
    """Everything until the peer closes."""
    parts = []
    while part := sock.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def recv_line(sock):
    """One line without its end, byte by byte so that nothing else is taken."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = sock.recv(1)
        if not byte:
            break
        line += byte
    return bytes(line).rstrip(b"\r\n").decode()


def is_refused(address):
    """Does a connection attempt meet no listener?"""
    unix = isinstance(address, (str, bytes))
    family = socket.AF_UNIX if unix else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(5)
        try:
            s.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        return False


def wait_seconds(seconds):
    """Let load run for a while: a span to observe, not a hope."""
    select.select([], [], [], seconds)
