# SPDX-License-Identifier: BSD-2-Clause
"""background.py: a tine that this test sent into the background with -d. Its
log, pidfile and control socket are in its folder."""

import contextlib
import os
import re
import signal
import socket
import subprocess

import procs

READY = re.compile(r"ready: \d+ child(?:ren)?, (\S+) \(\w+\)")


def running(exe):
    """Pids of the living processes that execute this file."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            target = os.readlink(f"/proc/{name}/exe")
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        if target == exe and procs.is_alive(int(name)):
            found.append(int(name))
    return found


class Background:
    def __init__(self, stage, folder, args, *, user=None, cwd=None,
                 start=True, program=None):
        # program: instead of the stage's
        self.stage = stage
        self.program = program or stage.tine
        self.folder = folder
        self.user = user
        self.argv = [self.program, "-d", "-L", "tine.log", "-p", "tine.pid",
                     "-C", "control.sock", *map(str, args)]
        self.options = {"cwd": cwd or folder, "stdin": subprocess.DEVNULL}
        if user:
            self.options |= {"user": user, "group": "nogroup",
                             "extra_groups": []}
        if start:
            self.run()

    def run(self, timeout=60):
        """What the command says. It returns only if nobody in the background
        holds the pipes of its output."""
        self.done = subprocess.run(self.argv, capture_output=True, text=True,
                                   timeout=timeout, check=False,
                                   **self.options)
        return self.done

    def popen(self):
        """The command while it waits."""
        return subprocess.Popen(self.argv, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True,
                                **self.options)

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def log(self):
        with open(self.path("tine.log"), encoding="utf-8") as f:
            return f.read()

    @property
    def pid(self):
        with open(self.path("tine.pid"), encoding="ascii") as f:
            return int(f.read())

    def wait_pid(self):
        """The pid, once the file has one: it comes before readiness."""
        def filled():
            try:
                return self.pid
            except (FileNotFoundError, ValueError):
                return None
        return procs.eventually(filled, 20, "the pidfile")

    def connect(self):
        url = READY.search(self.log).group(1)
        host, _, port = url.removeprefix("tcp://").rpartition(":")
        return socket.create_connection((host, int(port)), 10)

    def tinectl(self, *args):
        return subprocess.run(
            [self.stage.tinectl, "-C", self.path("control.sock"), *args],
            capture_output=True, text=True, timeout=40, check=False)

    def stop(self):
        pid = self.pid
        os.kill(pid, signal.SIGTERM)
        assert not procs.wait_gone([pid], 20)

    def close(self):
        """End what is left; returns the titles of those that had to be
        killed."""
        left = running(self.program)
        killed = []
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(pid) == pid:
                    os.kill(pid, signal.SIGTERM)
        for pid in procs.wait_gone(left, 15):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                killed.append(procs.title(pid))
                os.kill(pid, signal.SIGKILL)
        procs.wait_gone(left, 5)
        return killed
