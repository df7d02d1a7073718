# SPDX-License-Identifier: BSD-2-Clause
"""screen.py: a program that runs on a terminal of its own, and what it has
drawn there."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading

ENTER = "\x1b[?1049h"
LEAVE = "\x1b[?1049l"


class Screen:
    """argv on a terminal of so many rows and columns."""

    def __init__(self, argv, rows=24, columns=100, env=None):
        self.master, self.slave = pty.openpty()
        self.text = ""
        self._changed = threading.Condition()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        # A group of its own in our session: it can be stopped.
        self.process = subprocess.Popen(
            argv, stdin=self.slave, stdout=self.slave, stderr=self.slave,
            process_group=0, env={**clean, "TERM": "xterm", **(env or {})})
        self._stop, self._wake = os.pipe()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        poll = select.poll()
        poll.register(self.master, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        while not any(fd == self._stop for fd, _ in poll.poll()):
            data = os.read(self.master, 65536).decode()
            with self._changed:
                self.text += data
                self._changed.notify_all()

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def length(self):
        with self._changed:
            return len(self.text)

    def wait(self, pattern, first=0, timeout=10):
        """Wait for text that matches, written from `first` on."""
        regex = re.compile(pattern)
        with self._changed:
            if not self._changed.wait_for(
                    lambda: regex.search(self.text, first), timeout):
                raise AssertionError(f"no /{pattern}/ in {self.text[first:]!r}")
            return regex.search(self.text, first)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def signal(self, number):
        self.process.send_signal(number)

    def wait_stopped(self):
        pid, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert (pid, os.WIFSTOPPED(status)) == (self.process.pid, True)
        return os.WSTOPSIG(status)

    def modes(self):
        return termios.tcgetattr(self.slave)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
        os.write(self._wake, b"x")
        self._reader.join()
        for fd in (self.master, self.slave, self._stop, self._wake):
            os.close(fd)
