# SPDX-License-Identifier: BSD-2-Clause
"""tine.py: one running tine under test: start it, wait for its ready line, ask
its status, stop it, and see that it left nothing behind: no process, no core
file, no sanitizer's report, and the exit code that was expected."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import procs

START_SECONDS = 30
STOP_SECONDS = 20
READY = re.compile(
    r"^tine: ready: (?:(\d+) child(?:ren)?|single process), (.*)$")
LISTENER = re.compile(r"^(.*) \(([^()]*)\)$")
# What the sanitizers print; a handler that is meant to crash allows them.
REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error: |LeakSanitizer:")
# One line for each death of a child, and nothing else, matches this.
OBITUARY = re.compile(r"child (\d+) \(pid (\d+), gen \d+\) ended: (.*)")


class Tine:
    """A server process that this test started. control: True, a control socket
    in its folder; False, none; None, no -C on its command line."""

    def __init__(self, stage, folder, args, *, control=True, user=None,
                 reports=False, leaves=False, env=None, limit=None, keep=(),
                 under=(), stderr=None, program=None):
        # reports: a sanitizer's report is no failure; leaves: nor is a process
        # that outlives the server; limit: of descriptors; keep: files that it
        # inherits; under: a command that becomes it; stderr: goes there and
        # not into our log; program: instead of the stage's, as it is called
        self.stage = stage
        self.folder = folder
        self.user = user
        self.control = os.path.join(folder, "control.sock") if control else None
        self.reports = reports
        self.leaves = leaves
        self.lines = []
        self.sockets = []
        self.ready = None
        self.killed = False
        self._changed = threading.Condition()
        self._ended = False
        argv = [program or stage.tine]
        if control is not None:
            argv += ["-C", self.control or "none"]
        if limit is not None:
            argv = ["prlimit", f"--nofile={limit}:{limit}", *argv]
        argv = [*under, *argv]
        self.argv = argv + [str(a) for a in args]
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            self.argv, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writer if stderr is None else stderr, user=user,
            group="nogroup" if user == "nobody" else user,
            extra_groups=[] if user else None,
            env=dict(os.environ, **(env or {})),
            start_new_session=True,
            pass_fds=[f.fileno() for f in keep])
        os.close(writer)
        self.pid = self.process.pid
        self._reader = threading.Thread(
            target=self._read_log, args=(reader,), daemon=True)
        self._reader.start()

    # ---- the log ----

    def _read_log(self, fd):
        with open(fd, encoding="utf-8", errors="backslashreplace") as f:
            for line in f:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def log(self, pattern="", first=0):
        """Lines so far, from number `first` on, that match."""
        regex = re.compile(pattern)
        with self._changed:
            return [line for line in self.lines[first:] if regex.search(line)]

    def log_length(self):
        with self._changed:
            return len(self.lines)

    def wait_log(self, pattern, timeout=10, first=0, count=1):
        """Wait for `count` matching lines; returns the last of them."""
        regex = re.compile(pattern)
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                hits = [x for x in self.lines[first:] if regex.search(x)]
                if len(hits) >= count:
                    return hits[count - 1]
                rest = end - time.monotonic()
                if rest <= 0 or self._ended:
                    raise AssertionError(
                        f"no {count} x /{pattern}/ in the log:\n"
                        + "\n".join(self.lines))
                self._changed.wait(rest)

    def obituaries(self, first=0):
        return self.log(OBITUARY.pattern, first)

    # ---- readiness and addresses ----

    def wait_ready(self, timeout=START_SECONDS):
        try:
            line = self.wait_log(READY.pattern, timeout)
        except AssertionError:
            self.process.poll()
            raise AssertionError(
                f"not ready ({self.process.returncode}): {self.argv}\n"
                + "\n".join(self.lines)) from None
        count, rest = READY.match(line).groups()
        self.ready = int(count or 0)
        self.listeners = [LISTENER.match(part).groups()
                          for part in rest.split(", ") if LISTENER.match(part)]
        return self

    def wait_serving(self, n, timeout=START_SECONDS):
        """Wait until n children are READY, for a server whose ready line comes
        late or never, and learn its addresses from status."""
        procs.eventually(lambda: os.path.exists(self.control), timeout,
                         "the control socket")
        self.wait_children(n, timeout=timeout)
        self.ready = n
        self.listeners = [(x["url"], x["handler"])
                          for x in self.status()["listeners"]]
        return self

    def address(self, i=0):
        """What connect() wants: (host, port), or a path."""
        url = self.listeners[i][0]
        scheme, _, rest = url.partition("://")
        if scheme == "unix":
            path = rest.partition("?")[0]
            if path.startswith("@"):
                return "\0" + path[1:]
            return os.path.join(self.folder, path)
        host, _, port = rest.rpartition(":")
        host = host.strip("[]")
        if host in ("", "0.0.0.0"):
            host = "127.0.0.1"
        return host, int(port)

    def port(self, i=0):
        return self.address(i)[1]

    def connect(self, i=0, timeout=10, address=None):
        """A connected socket; closed when the test ends, if not before."""
        address = address or self.address(i)
        if isinstance(address, str):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(timeout)
            s.connect(address)
        else:
            s = socket.create_connection(address, timeout)
        self.sockets.append(s)
        return s

    # ---- the control socket ----

    def tinectl(self, *args, timeout=40):
        return subprocess.run(
            [self.stage.tinectl, "-C", self.control, *map(str, args)],
            capture_output=True, text=True, timeout=timeout, check=False,
            user=self.user)

    def status(self):
        done = self.tinectl("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def children(self, state="ready"):
        """place: pid of the children in this state, as status says."""
        return {c["place"]: c["pid"] for c in self.status()["children"]
                if c["state"] == state}

    def wait_children(self, n=None, without=(), timeout=10):
        """Wait until n children are READY, none of them in `without`."""
        n = self.ready if n is None else n
        gone = set(without)

        def full():
            now = self.children()
            return now if len(now) == n and not gone & set(now.values()) \
                else None

        return procs.eventually(full, timeout, f"{n} children READY")

    # ---- the end ----

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=STOP_SECONDS):
        """The exit code of the master, when all that it said was read. What
        outlives a master that was killed may still hold its stderr."""
        code = self.process.wait(timeout)
        if not self.killed:
            self._reader.join(5)
        return code

    def stop(self, code=0, timeout=STOP_SECONDS):
        """Graceful stop; connections of this test are closed first."""
        self.close_sockets()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        got = self.wait(timeout)
        assert got == code, f"exit code {got}, not {code}: {self.argv}"

    def kill(self):
        """SIGKILL to the master; its children have `orphan` to leave."""
        self.killed = True
        self.process.kill()
        self.wait()

    def close_sockets(self):
        for s in self.sockets:
            s.close()
        self.sockets = []

    def close(self, code=0):
        """End it if it runs; returns what went wrong, as texts."""
        wrong = []
        self.close_sockets()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                wrong.append(f"no exit within {STOP_SECONDS} s of SIGTERM")
                self.kill()
        got = self.process.returncode
        if got != code and not self.killed:
            wrong.append(f"exit code {got}, not {code}")
        wrong += self._clean()
        if self.log(REPORT.pattern) and not self.reports:
            wrong.append("a sanitizer's report stands in the log")
        cores = [f for f in os.listdir(self.folder) if f.startswith("core")]
        if cores:
            wrong.append(f"core files: {cores}")
        return [f"{w}: {' '.join(self.argv)}" for w in wrong]

    def _clean(self):
        """Whoever is still in our session descends from this master."""
        left = procs.in_session(self.pid)
        if not self.killed and not self.leaves:
            left = procs.wait_gone(left, 5)
        titles = []
        for pid in left:
            try:
                titles.append(f"{pid} {procs.title(pid)}")
                os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue
        procs.wait_gone(left, 5)
        self._reader.join(5)
        if self.killed or self.leaves or not titles:
            return []
        return [f"left: {titles}"]
