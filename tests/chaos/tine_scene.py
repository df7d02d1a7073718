# SPDX-License-Identifier: BSD-2-Clause
"""tine_scene.py: tine as the server of a chaos run: its configuration, which
changes from reload to reload, its status, its beginning and its end."""

import os
import shutil
import subprocess
import time

import procs
from notify import Manager
from scene import Scene, Target, free_ports
from tine import Tine

CHILDREN = 4
# Old generations may be many while streams last; nobody waits for them here.
ORPHANS_SECONDS = 15
CONF = """\
# configuration {number}
processes: {children}
accept: {accept}
log: {{ file: {folder}/tine.log, level: info }}
start-timeout: {start_timeout}
drain-timeout: 120s
max-old-generations: 128
timing: {{ {timing} }}
servers:
"""
SERVER = """\
  - listen: [ {listen} ]
    handler: {handler}
"""
# What comes for a stopped child must have room until a sibling reads it: 20 KiB
# for each client in the kernel's way of counting. It gives at least double its
# default.
UDP_QUERY = "?rcvbuf=1m"
# The handlers that are loaded from files, and what they are there for.
LOADED_BY = {"http": "http_hello", "echo": "echo"}
FAST = "prove: 0, commit: 0"
DEFAULTS = "prove: 1s, commit: 10s"
HALF_STRENGTH_SECONDS = 30


class TineScene(Scene):
    """`n` is how many children there must be."""

    def __init__(self, stage, modes, rate, seed, timing=FAST):
        super().__init__(stage, modes, rate, seed)
        self.n = CHILDREN
        self.timing = timing
        self.number = 0
        self.past = []
        self.conf_path = os.path.join(self.folder, "tine.yaml")
        self.log_path = os.path.join(self.folder, "tine.log")
        self.spare = os.path.join(self.folder, "spare")  # of the binary
        self.extra = []     # servers that come and go: lines of text
        self.idle = "75s"   # a value that changes
        self.plugin = os.path.join(self.folder, "plugin.so")
        shutil.copy(stage.tine, self.spare)
        self.put_plugin()
        self._choose_targets()
        self.write_conf()
        self.tine = None
        self.manager = None

    # ---- configuration ----

    def _choose_targets(self):
        ports = iter(free_ports(8))
        queries = {"shared": "?reuseport=false"}
        for mode in self.modes:
            for handler in ("http", "echo"):
                where = os.path.join(self.folder, f"{handler}.sock") \
                    if mode == "unix" else next(ports)
                self.targets.append(
                    Target(mode, handler, where, queries.get(mode, "")))
        if self.modes[0] in ("reuseport", "dispatch"):
            self.targets.append(
                Target("defer", "http", next(ports), "?defer-accept=5s"))
        self.targets.append(
            Target("udp", "packets", next(ports), UDP_QUERY))
        self.targets += [Target("so", handler, next(ports))
                         for handler in LOADED_BY]

    def conf(self, extra=(), timing=None, start_timeout="30s"):
        """The text of a configuration that is good, but for what `extra`
        says."""
        self.number += 1
        accept = "dispatch" if "dispatch" in self.modes else "reuseport"
        parts = [CONF.format(
            number=self.number, accept=accept, children=CHILDREN,
            folder=self.folder, start_timeout=start_timeout,
            timing=timing or self.timing)]
        for handler in ("http", "echo"):
            urls = ", ".join(f'"{t.url}"' for t in self.targets
                             if t.mode != "so" and t.handler == handler or
                             (t.handler, handler) == ("packets", "echo"))
            parts.append(SERVER.format(listen=urls, handler=handler))
            if handler == "http":
                parts.append(f"    options: {{ root: {self.www} }}\n")
            parts.append(f"    timeouts: {{ idle: {self.idle} }}\n")
        parts += [self.server(self.stage.example(LOADED_BY[t.handler]), t.url)
                  for t in self.targets if t.mode == "so"]
        parts.append(self.server(self.plugin, "unix://" + os.path.join(
            self.folder, "plugin.sock")))
        return "".join([*parts, *self.extra, *extra])

    def write_conf(self, text=None):
        """Put a configuration in place; a good one if no text is given."""
        new = self.conf_path + ".new"
        with open(new, "w", encoding="ascii") as f:
            f.write(self.conf() if text is None else text)
        os.replace(new, self.conf_path)

    def server(self, handler, where):
        """The lines of one more server."""
        return SERVER.format(listen=f'"{where}"', handler=handler)

    def faulty(self, name):
        """One more server, with a handler that is not well."""
        path = os.path.join(self.folder, "faulty.sock")
        return self.server(self.stage.handler(name), f"unix://{path}")

    def put_plugin(self, name="whoami"):
        """What a handler that is loaded from a file is from now on."""
        new = self.plugin + ".new"
        shutil.copy(self.stage.handler(name), new)
        os.replace(new, self.plugin)

    # ---- life ----

    def start(self):
        """A service manager listens to it and keeps its sockets."""
        self.manager = Manager()
        self._run(env=self.manager.env())

    def _run(self, **options):
        self.tine = Tine(self.stage, self.folder, ["-c", "tine.yaml"],
                         **options)
        self.tine.wait_ready()
        self.n = CHILDREN

    def replace_killed(self):
        """SIGKILL to the master; the service manager has the sockets and
        starts the next one with them."""
        self.tine.kill()
        self.past.append(self.tine)
        self._run(**self.manager.sockets().options(self.manager.env()))

    @property
    def pid(self):
        return self.tine.pid

    def restart(self, stop):
        """stop() must end it; then it begins anew. What was begun between may
        be refused."""
        begin = time.monotonic_ns()
        stop()
        wrong = self.tine.close()
        self.past.append(self.tine)
        self.manager.close()
        self.start()
        self.stops.append((begin, time.monotonic_ns()))
        assert not wrong, "; ".join(wrong)

    def close(self):
        """End it; what is wrong with how it ended."""
        for victim in self.victims:
            victim.close()
        wrong = self.tine.close() if self.tine else []
        for tine in self.past:
            # Children of a master that was killed leave by themselves.
            procs.wait_gone(procs.in_session(tine.pid), ORPHANS_SECONDS)
            wrong += tine.close()
        if self.manager:
            self.manager.close()
        return wrong

    # ---- what it says ----

    def status(self):
        return self.tine.status()

    def master(self):
        return self.status()["master"]

    def ready(self):
        return self.tine.children()

    def mortals(self):
        """The READY children by their places, and the acceptor."""
        status = self.status()
        found = {c["place"]: c["pid"] for c in status["children"]
                 if c["state"] == "ready"}
        acceptor = status["acceptor"]
        if acceptor and acceptor["state"] == "ready":
            found["acceptor"] = acceptor["pid"]
        return found

    def begin(self, *words):
        """A command of tinectl under way."""
        argv = [self.stage.tinectl, "-C", self.tine.control, "--timeout", "60",
                *map(str, words)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def finish(self, command, code=0, timeout=70):
        """Wait for a command; its reason."""
        try:
            _, reason = command.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            command.kill()
            command.communicate()
            raise AssertionError(
                f"{command.args[5:]}: nothing after {timeout} s") from None
        assert command.returncode == code, \
            f"{command.args[5:]}: exit code {command.returncode}: {reason}"
        return reason.strip()

    def ctl(self, *words, code=0):
        return self.finish(self.begin(*words), code)

    def signal(self, number):
        self.tine.signal(number)

    def wait_master(self, test, what, timeout=HALF_STRENGTH_SECONDS):
        """Wait until test(status of the master) is true."""
        def probe():
            now = self.master()
            return now if test(now) else None
        return procs.eventually(probe, timeout, what)

    def settle(self, timeout=HALF_STRENGTH_SECONDS):
        """Wait until nothing is under way and every place is READY; seconds
        that took."""
        begin = time.monotonic()

        def settled():
            status = self.status()
            ready = [c["place"] for c in status["children"]
                     if c["state"] == "ready"]
            acceptor = status["acceptor"]
            return status["master"]["state"] == "running" and \
                (not acceptor or acceptor["state"] == "ready") and \
                sorted(set(ready)) == list(range(self.n)) and \
                len(ready) == self.n
        assert self.tine.process.poll() is None, "the master has ended"
        procs.eventually(settled, timeout, f"{self.n} children READY")
        return time.monotonic() - begin

    def have_siblings(self):
        """See that nobody is the only child, whose clients could but wait."""
        if self.n < CHILDREN:
            self.ctl("scale", CHILDREN)
            self.n = CHILDREN
            self.settle()

    # ---- the binary on disk ----

    def replace_binary(self, make=None):
        """Put a fresh copy, or what make(path) makes, where the binary is."""
        new = self.stage.tine + ".new"
        if make is None:
            shutil.copy(self.spare, new)
        else:
            make(new)
        os.replace(new, self.stage.tine)

    def runs_binary_on_disk(self):
        exe = os.stat(f"/proc/{self.pid}/exe")
        return exe.st_ino == os.stat(self.stage.tine).st_ino
