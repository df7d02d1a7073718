# SPDX-License-Identifier: BSD-2-Clause
"""held.py: whose connections are whose, asked of the kernel.

The rule of the chaos runs: a connection may be lost only if a process that was
killed had accepted it. So a victim is stopped first; then nothing that it has
can change, and its descriptors name the sockets it holds, the kernel's socket
tables name their peers, and the peers are the clients' own names for their
connections (a local port, or the inode of a unix socket). Then it is killed. A
connection that waits in a queue has no descriptor anywhere: it is nobody's, and
must be answered. Needs root: a child's descriptors are not for everybody."""

import os
import select
import signal
import socket
import struct
import time

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
UDIAG_SHOW_PEER, UNIX_DIAG_PEER = 4, 2
ALL_STATES = 0xffffffff
TCP_ESTABLISHED, TCP_CLOSE_WAIT, TCP_LISTEN = 1, 8, 10
NLMSG = struct.Struct("=IHHII")
NLATTR = struct.Struct("=HH")
INET_MSG = struct.Struct("=BBBB2s2s16s16sI8sIIIII")
UNIX_MSG = struct.Struct("=BBBBI8s")


def _dump(request):
    """The messages of one dump of the kernel's socket tables."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                       NETLINK_SOCK_DIAG) as s:
        s.send(NLMSG.pack(NLMSG.size + len(request), SOCK_DIAG_BY_FAMILY,
                          NLM_F_REQUEST_DUMP, 0, 0) + request)
        while True:
            data = s.recv(1 << 18)
            while data:
                size, kind, *_ = NLMSG.unpack_from(data)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    raise OSError("the kernel's socket tables: refused")
                yield data[NLMSG.size:size]
                data = data[(size + 3) & ~3:]


def _tcp():
    """(state, own port, peer's port, inode) of the IPv4 connections that have
    an owner or wait for one."""
    states = ALL_STATES & ~(1 << TCP_LISTEN | 1 << 6 | 1 << 3 | 1 << 7)
    request = struct.pack("=BBBBI48x", socket.AF_INET, socket.IPPROTO_TCP, 0,
                          0, states)
    for message in _dump(request):
        f = INET_MSG.unpack_from(message)
        yield (f[1], int.from_bytes(f[4], "big"), int.from_bytes(f[5], "big"),
               f[14])


def _unix_peers():
    """inode: inode of the peer, of all connected unix stream sockets."""
    request = struct.pack("=BBHIII8s", socket.AF_UNIX, 0, 0, ALL_STATES, 0,
                          UDIAG_SHOW_PEER, b"\xff" * 8)
    peers = {}
    for message in _dump(request):
        _, kind, _, _, inode, _ = UNIX_MSG.unpack_from(message)
        if kind != socket.SOCK_STREAM:
            continue
        rest = message[UNIX_MSG.size:]
        while len(rest) >= NLATTR.size:
            size, what = NLATTR.unpack_from(rest)
            if what == UNIX_DIAG_PEER:
                peers[inode] = struct.unpack_from("=I", rest, 4)[0]
            rest = rest[(size + 3) & ~3:]
    return peers


def inodes(pid):
    """Of the sockets that a process has a descriptor of."""
    folder = f"/proc/{pid}/fd"
    found = set()
    for fd in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(int(target[8:-1]))
    return found


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", "rb") as f:
        return f.read().rpartition(b") ")[2][:1] in b"Tt"


class Victim:
    """A process that is stopped, with what it holds. `held` are the clients'
    names of its connections, `queued` of those that nobody has accepted."""

    def __init__(self, pid, parent, ports=()):
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.held = set()
        self.queued = set()
        self.killed_ns = None
        self.hung = False  # its clients may wait in vain, too
        self.most = None   # connections that its death may cost; None: any
        self.cost = 0
        with open(f"/proc/{pid}/stat", "rb") as f:
            owner = int(f.read().rpartition(b") ")[2].split()[1])
        if owner != parent:
            raise ProcessLookupError(f"{pid} is no child of {parent} any more")
        self.stopped_ns = time.monotonic_ns()
        self.send(signal.SIGSTOP)
        self._wait_stopped()
        self.still_ns = time.monotonic_ns()
        self._look(ports)

    def send(self, number):
        signal.pidfd_send_signal(self.pidfd, number)

    def _wait_stopped(self):
        end = time.monotonic() + 5
        while not is_stopped(self.pid):
            if time.monotonic() > end:
                raise AssertionError(f"{self.pid} does not stop")

    def _look(self, ports):
        mine = inodes(self.pid)
        for state, port, peer, inode in _tcp():
            if inode in mine:
                self.held.add(peer)
            elif inode == 0 and port in ports and \
                    state in (TCP_ESTABLISHED, TCP_CLOSE_WAIT):
                self.queued.add(peer)
        self.held |= {peer for inode, peer in _unix_peers().items()
                      if inode in mine}

    def kill(self, number=signal.SIGKILL):
        """End it; a stopped process obeys other signals when it goes on."""
        self.killed_ns = time.monotonic_ns()
        self.send(number)
        if number != signal.SIGKILL:
            self.send(signal.SIGCONT)

    def wait_gone(self, timeout):
        """Seconds until it was gone, from the stop on."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise AssertionError(f"{self.pid} is not gone after {timeout} s")
        return (time.monotonic_ns() - self.stopped_ns) / 1e9

    def owns(self, failure):
        """May this failure be the victim's? It held the connection, which had
        begun before it was stopped and failed after that."""
        return failure["id"] in self.held and \
            failure["begun"] < self.stopped_ns < failure["at"]

    def may_cost(self):
        return self.most is None or self.cost <= self.most

    def close(self):
        os.close(self.pidfd)
