# SPDX-License-Identifier: BSD-2-Clause
"""breakage.py: what goes wrong for a tine that serves: bad configurations, bad
binaries, children that hang, forks that fail. Events as in operations.py. After
each of them the generation that served before must serve, and whoever waits
must have been told why."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import operations
import procs

HANG_SECONDS = 14
FAULT_SECONDS = 5
WORD_MAX = 16  # of decoy.c
KEY, OTHER_KEY = b"max-old-generations\0", b"max-odd-generations\0"
# Retried every half second, then a child has to start.
FULL_STRENGTH_SECONDS = 1.0


# ---- bad reloads ----

def refused(scene, kind, text, reason):
    """This configuration must be refused, and nothing else change."""
    before = scene.master()
    scene.write_conf(text)
    begin = time.monotonic()
    said = scene.ctl("reload", code=1)
    took = time.monotonic() - begin
    assert re.search(reason, said), f"{kind}: the reason given: {said!r}"
    assert_unchanged(scene, before, ("reloads",))
    return {"seconds": took}


def assert_unchanged(scene, before, counters):
    scene.settle()
    status = scene.status()
    after = status["master"]
    for name in ("pid", *counters):
        assert after[name] == before[name], (name, before, after)
    generations = {c["generation"] for c in status["children"]
                   if c["state"] == "ready"}
    assert generations == {before["generation"]}, (before, status["children"])
    assert after["last_error"], after


def busy_port(scene):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        url = f"tcp://127.0.0.1:{s.getsockname()[1]}"
        return refused(scene, "busy_port",
                       scene.conf([scene.server("echo", url)]),
                       r"in use|held|busy")


def third_child(scene):
    scene.have_siblings()
    return refused(scene, "third_child_crashes",
                   scene.conf([scene.faulty("crash_third")]),
                   r"child 2|place 2|SIGSEGV|signal 11")


def crash_within_commit(scene):
    """All places are READY with the new generation; then one of them dies, and
    not because somebody killed it from outside."""
    before = scene.master()
    scene.write_conf(scene.conf(timing="prove: 0, commit: 10s"))
    begin = time.monotonic()
    command = scene.begin("reload")

    def rolled():
        children = scene.status()["children"]
        new = [c for c in children if c["state"] == "ready"
               and c["generation"] > before["generation"]]
        return new if len(new) == scene.n else None
    new = procs.eventually(rolled, 30, "the new generation")
    scene.take(new[0]["pid"]).kill(signal.SIGSEGV)
    said = scene.finish(command, code=1)
    took = time.monotonic() - begin
    assert re.search(r"SIGSEGV|signal 11|crash", said), said
    assert_unchanged(scene, before, ())
    assert scene.master()["rollbacks"] == before["rollbacks"] + 1
    return {"seconds": took}


BAD_RELOADS = {
    "syntax": lambda s: refused(
        s, "syntax", s.conf(["  - listen: [ \n"]), r"tine\.yaml:\d+:\d+"),
    "busy_port": busy_port,
    "canary_crashes": lambda s: refused(
        s, "canary_crashes", s.conf([s.faulty("crash_start")]),
        r"SIGSEGV|signal 11"),
    "third_child_crashes": third_child,
    "never_ready": lambda s: refused(
        s, "never_ready", s.conf([s.faulty("never_ready")],
                                 start_timeout="2s"), r"start-timeout|2 s|2s"),
    "fatal": lambda s: refused(
        s, "fatal", s.conf([s.faulty("fatal")]), r"the database is away"),
    "crash_within_commit": crash_within_commit,
}


def bad_reload(scene, rng, kind):
    del rng
    try:
        return BAD_RELOADS[kind](scene)
    finally:
        scene.write_conf()


# ---- broken upgrades ----

def impostor(scene, word):
    """A program that does this is where the binary was."""
    def make(path):
        shutil.copy(scene.stage.tool("decoy"), path)
        with open(path, "ab") as f:
            f.write(f" {word}\n".encode().rjust(WORD_MAX))
    scene.replace_binary(make)


def not_executable(scene):
    def make(path):
        shutil.copy(scene.spare, path)
        os.chmod(path, 0o644)
    scene.replace_binary(make)


def truncated(scene):
    def make(path):
        shutil.copy(scene.spare, path)
        os.truncate(path, 5000)
    scene.replace_binary(make)


def other_words(scene):
    """A release in which a key has another name: it cannot read what this one
    writes."""
    def make(path):
        with open(scene.spare, "rb") as f:
            data = f.read()
        assert KEY in data
        with open(path, "wb") as f:
            f.write(data.replace(KEY, OTHER_KEY))
        os.chmod(path, 0o755)
    scene.replace_binary(make)


# kind: what is done to the binary or to what children load; the reason given.
BROKEN_UPGRADES = {
    "missing": (lambda s: os.unlink(s.stage.tine), r"No such file"),
    "not_executable": (not_executable, r"[Pp]ermission denied|executable"),
    "truncated": (truncated, r"."),
    "exits_0": (lambda s: impostor(s, "exits_0"), r"."),
    "exits_1": (lambda s: impostor(s, "exits_1"),
                r"exit(ed|s)?\b.*\b1|impostor"),
    "crashes": (lambda s: impostor(s, "crashes"), r"SIGSEGV|signal 11"),
    "hangs": (lambda s: impostor(s, "hangs"), r"10 s|time|answer"),
    "refuses_configuration": (other_words, r"max-old-generations"),
    "children_crash": (lambda s: s.put_plugin("crash_start"),
                       r"SIGSEGV|signal 11"),
    "forks_and_dies": (lambda s: impostor(s, "forks_and_dies"),
                       r"SIGKILL|signal 9"),
}


def broken_upgrade(scene, rng, kind):
    del rng
    before = scene.master()
    break_it, reason = BROKEN_UPGRADES[kind]
    begin = time.monotonic()
    try:
        break_it(scene)
        said = scene.ctl("upgrade", code=1)
        took = time.monotonic() - begin
    finally:
        scene.replace_binary()
        scene.put_plugin()
        end_impostors(scene)
    assert re.search(reason, said), f"{kind}: the reason given: {said!r}"
    assert_unchanged(scene, before, ("upgrades",))
    return {"seconds": took}


def end_impostors(scene):
    """What an impostor has forked, it has to be told."""
    for pid in procs.in_session(scene.pid):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            with open(f"/proc/{pid}/exe", "rb") as f:
                f.seek(-WORD_MAX, os.SEEK_END)
                if f.read().endswith(b" forks_and_dies\n"):
                    os.kill(pid, signal.SIGKILL)


# ---- a child that hangs ----

def hang(scene, rng):
    """SIGSTOP, of the acceptor too. Its queue is served after `suspect`, itself
    is replaced after `hang-timeout`."""
    scene.have_siblings()
    hangs = scene.master()["hangs"]
    place, victim = operations.take(scene, rng)
    pid = victim.pid
    victim.hung = True

    def replaced():
        now = scene.mortals().get(place)
        return now is not None and now != pid
    procs.eventually(replaced, HANG_SECONDS, "a hanging child replaced")
    end = time.monotonic_ns()
    scene.settle()
    # Counted are children that serve.
    assert scene.master()["hangs"] == hangs + (place != "acceptor"), \
        scene.master()
    return {"seconds": (end - victim.stopped_ns) / 1e9,
            "window": (victim.stopped_ns, end)}


# ---- forks that fail ----

class Fault:
    """strace makes the forks of the master fail, from its attachment on."""

    CALLS = "clone,clone3,fork,vfork"

    def __init__(self, scene, when):
        self.path = os.path.join(scene.folder, "strace")
        self.process = subprocess.Popen(
            ["strace", "-qq", "-o", self.path, "-e", f"trace={self.CALLS}",
             "-e", f"inject={self.CALLS}:error=EAGAIN{when}",
             "-p", str(scene.pid)], stdin=subprocess.DEVNULL)
        procs.eventually(
            lambda: procs.status_field(scene.pid, "TracerPid") ==
            str(self.process.pid), 10, "strace attached")

    def count(self):
        with open(self.path, encoding="ascii", errors="replace") as f:
            return f.read().count("INJECTED")

    def end(self):
        self.process.terminate()
        self.process.wait(10)


# how: strace's words, and how many forks fail (None: all for a while).
FAULTS = {"once": (":when=1", 1), "ten": (":when=1..10", 10),
          "five_seconds": ("", None)}


def fork_fails(scene, rng, how):
    """A child is killed, and its successor cannot be forked. Measures the time
    from the end of the fault to full strength."""
    scene.have_siblings()
    when, count = FAULTS[how]
    fault = Fault(scene, when)
    try:
        begin = time.monotonic()
        scene.take(rng.choice(list(scene.ready().values()))).kill()
        if count is None:
            procs.eventually(
                lambda: time.monotonic() - begin >= FAULT_SECONDS,
                FAULT_SECONDS + 1)
            assert fault.count() > 0, "no fork was tried"
        else:
            procs.eventually(lambda: fault.count() >= count, 20,
                             f"{count} failed forks")
            over = time.monotonic()
            scene.settle(5)
    finally:
        fault.end()
    if count is None:
        over = time.monotonic()
        scene.settle(5)
    return {"seconds": time.monotonic() - over}
