# SPDX-License-Identifier: BSD-2-Clause
"""notify.py: a service manager for one server under test: it hears what
sd_notify(3) says, keeps descriptors as systemd's store does, and hands them to
the next server."""

import array
import fcntl
import itertools
import os
import re
import select
import socket
import threading
import time
import urllib.parse

_number = itertools.count()
# Descriptors for the shell below, above all that it opens itself.
_HIGH = 100


class Sockets:
    """Listening sockets to be handed over: sockets of the caller, or what a
    Manager stores. They stay the caller's."""

    def __init__(self, *named, pid="$$"):
        # named: (socket or descriptor, name); pid: LISTEN_PID, as the shell
        # says it
        self.fds = [s if isinstance(s, int) else s.fileno() for s, _ in named]
        self.names = [name for _, name in named]
        self.pid = pid

    def options(self, env=None):
        """Options for Tine, as which the shell goes on."""
        held = [_Held(fd, _HIGH + i) for i, fd in enumerate(self.fds)]
        moves = " ".join(f"{3 + i}<&{h.fileno()}" for i, h in enumerate(held))
        env = dict(env or {}, LISTEN_FDS=str(len(held)),
                   LISTEN_FDNAMES=":".join(self.names))
        script = f'export LISTEN_PID={self.pid}; exec "$@" {moves}'
        return {"env": env, "keep": held,
                "under": ("bash", "-c", script, "bash")}


class _Held:
    """A copy of a descriptor with a high number, for as long as it is used."""

    def __init__(self, fd, least):
        self.fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, least)

    def fileno(self):
        return self.fd

    def __del__(self):
        os.close(self.fd)


class Manager:
    def __init__(self, reads=True):
        self.name = f"@tine-test-notify-{os.getpid()}-{next(_number)}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:])
        self.heard = []  # (monotonic seconds, {key: value})
        self.store = []  # (name, descriptor), the youngest first, as systemd's
        self._changed = threading.Condition()
        self._end, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        if reads:
            self._thread.start()

    def read(self):
        """Begin to read, if it did not at once."""
        self._thread.start()

    def env(self, **more):
        return {"NOTIFY_SOCKET": self.name, **more}

    # ---- hearing ----

    def _run(self):
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        poll.register(self._end, select.POLLIN)
        while True:
            if any(fd == self._end for fd, _ in poll.poll()):
                return
            room = socket.CMSG_SPACE(array.array("i", [0]).itemsize)
            data, control, _, _ = self.socket.recvmsg(
                4096, room, socket.MSG_CMSG_CLOEXEC)
            fds = array.array("i")
            for _, kind, value in control:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(value)
            said = dict(line.split("=", 1)
                        for line in data.decode("ascii").splitlines())
            with self._changed:
                self._keep(said, fds)
                self.heard.append((time.monotonic(), said))
                self._changed.notify_all()

    def _keep(self, said, fds):
        name = said.get("FDNAME", "stored")
        # sd_notify(3): what a name may be.
        assert re.fullmatch(r"[ -9;-~]{0,255}", name), name
        if said.get("FDSTOREREMOVE") == "1":
            for entry in [e for e in self.store if e[0] == name]:
                self.store.remove(entry)
                os.close(entry[1])
        for fd in fds:
            known = {os.fstat(e[1]).st_ino for e in self.store}
            if said.get("FDSTORE") != "1" or os.fstat(fd).st_ino in known:
                os.close(fd)
            else:
                self.store.insert(0, (name, fd))

    def said(self, key, first=0):
        """The values of this key, in order."""
        with self._changed:
            return [m[key] for _, m in self.heard[first:] if key in m]

    def count(self):
        with self._changed:
            return len(self.heard)

    def wait(self, key, value=".*", timeout=30, first=0):
        """Wait for a message with this assignment; returns it whole."""
        regex = re.compile(value)
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                for _, message in self.heard[first:]:
                    if regex.fullmatch(message.get(key, "\n")):
                        return message
                rest = end - time.monotonic()
                if rest <= 0:
                    raise AssertionError(
                        f"no {key}={value} within {timeout} s: {self.heard}")
                self._changed.wait(rest)

    # ---- the store ----

    def names(self):
        """What is stored, decoded and in order: "URL#index"."""
        with self._changed:
            return sorted(urllib.parse.unquote(name) for name, _ in self.store)

    def wait_names(self, names, timeout=10):
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                there = sorted(urllib.parse.unquote(n) for n, _ in self.store)
                if there == sorted(names):
                    return
                rest = end - time.monotonic()
                if rest <= 0:
                    raise AssertionError(f"stored: {there}, not {names}")
                self._changed.wait(rest)

    def sockets(self):
        """For the next server."""
        with self._changed:
            return Sockets(*((fd, name) for name, fd in self.store))

    def close(self):
        if self._thread.is_alive():
            os.write(self._wake, b"x")
            self._thread.join(5)
        os.close(self._wake)
        os.close(self._end)
        self.socket.close()
        for _, fd in self.store:
            os.close(fd)
        self.store = []
