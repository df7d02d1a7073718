# SPDX-License-Identifier: BSD-2-Clause
"""Upgrades that fail: the old binary serves on, says why, and nothing is lost:
no request, no connection, no descriptor."""

import os
import signal

import pytest

import procs
import upgrade
from load import Client, target

# Under a sanitizer a crash is an exit.
CRASH = "(signal 11|exit code 1)"
LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "2")


class Scene:
    """A server that runs a binary of its own, an open connection and a load,
    all of which must survive."""

    def __init__(self, tine, stage, folder, *args, handler="echo"):
        self.stage = stage
        self.own = upgrade.put(stage.tine, f"{folder}/tine")
        self.t = tine(*LISTEN, *(args or upgrade.QUICK), handler,
                      folder=folder, program=self.own)
        self.children = self.t.children()
        self.fds = upgrade.descriptors(self.t.pid)
        self.conn = self.t.connect()
        self.ask()
        self.load = Client(stage, folder, "echo", target(self.t.address()),
                           rate=100, bytes=200, pace=2000)
        self.load.wait_started()

    def ask(self):
        self.conn.sendall(b"alive")
        assert self.conn.recv(5) == b"alive"

    def act(self, what):
        """The impostor takes the place of the binary."""
        folder = self.t.folder
        upgrade.write(f"{folder}/act", what)
        upgrade.put(self.stage.tine, f"{folder}/real")
        upgrade.put(self.stage.tool("impostor"), self.own)

    def end(self, same_children=True):
        """All is as it was, and the right binary can still be put there."""
        t = self.t
        self.ask()
        report = self.load.finish()
        assert not any(report["failures"].values()), report
        master = t.status()["master"]
        assert (master["pid"], master["state"]) == (t.pid, "running")
        assert master["last_error"]
        t.wait_children(2)
        if same_children:
            assert t.children() == self.children
        assert procs.status_field(t.pid, "Name") == "tine"
        self.conn.close()
        procs.eventually(lambda: len(t.status()["children"]) == 2,
                         what="nobody is left")
        upgrade.same_descriptors(t, self.fds)
        upgrade.put(self.stage.tine, self.own)
        upgrade.good(t)


@pytest.fixture
def scene(tine, stage):
    begun = []

    def begin(*args, **options):
        begun.append(Scene(tine, stage, stage.folder(), *args, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.load.kill()


def test_the_file_is_missing(scene):
    s = scene()
    os.unlink(s.own)
    upgrade.bad(s.t, "No such file", "put the new binary there")
    s.end()


def test_the_file_is_not_executable(scene, stage):
    s = scene()
    upgrade.put(stage.tine, s.own, 0o644)
    upgrade.bad(s.t, "cannot be executed", r"chmod \+x")
    s.end()


def test_the_file_is_truncated(scene):
    for length in (0, 3, 64, 20000):
        s = scene()
        upgrade.cut(s.own, length)
        upgrade.bad(s.t, re_of(length))
        s.end()
        s.t.stop()


def re_of(length):
    return "is not a program" if length < 4 else "no program|ended: signal"


def test_it_exits_0_and_says_nothing(scene):
    s = scene()
    s.act("exit0")
    upgrade.bad(s.t, "exit code 0 and no answer")
    s.end()


def test_it_exits_1(scene):
    s = scene()
    s.act("exit1")
    upgrade.bad(s.t, "exit code 1", "no, I will not")
    s.end()


def test_it_crashes(scene):
    s = scene()
    s.act("crash")
    upgrade.bad(s.t, "signal 6")
    s.end()


def test_it_hangs(scene):
    s = scene()
    s.act("hang")
    upgrade.bad(s.t, "took longer than 10 s")
    s.end()


def test_it_forks_and_dies(scene):
    s = scene()
    s.act("fork")
    upgrade.bad(s.t, "signal 9")
    procs.eventually(lambda: len(procs.children_of(s.t.pid)) == 2,
                     what="the forked one ended by itself")
    s.end()


def test_it_is_a_script(scene):
    s = scene()
    upgrade.write(s.own + ".new", "#!/bin/sh\nexit 0\n")
    os.rename(s.own + ".new", s.own)
    upgrade.bad(s.t, "is a script")
    s.end()


def test_it_calls_the_old_one_back_at_once(scene):
    s = scene()
    s.act("back")
    for _ in range(3):
        upgrade.bad(s.t, "the new binary: an impostor")
    s.end()


def test_it_cannot_read_the_state(scene):
    """What the new one did not understand is all still there for the old."""
    s = scene()
    s.act("garble")
    for _ in range(3):
        upgrade.bad(s.t, "the new binary: .*checksum")
    s.end()


def handler_of_its_own(stage, folder, name="whoami"):
    return upgrade.put(stage.handler(name), f"{folder}/game.so", 0o644)


@pytest.mark.parametrize("name, words", [
    ("wrong_abi", "game.so"), ("crash_start", CRASH),
    ("crash_constructor", CRASH), ("fatal", "."),
    ("not_a_handler", "game.so")])
def test_its_children_cannot_start(tine, stage, folder, name, words):
    """The handler on disk is another one: a canary in the trial shows it."""
    own = upgrade.put(stage.tine, f"{folder}/tine")
    game = handler_of_its_own(stage, folder)
    t = tine(*LISTEN, *upgrade.QUICK, game, folder=folder, program=own,
             reports=True)
    before = t.children()
    upgrade.put(stage.handler(name), game, 0o644)
    upgrade.bad(t, "a child of it", words)
    assert t.children() == before
    assert not t.log("becoming tine")


def test_its_children_crash_when_they_serve(tine, stage, folder):
    """They pass the trial, for they only die later: back by the old binary,
    with the old children."""
    own = upgrade.put(stage.tine, f"{folder}/tine")
    game = handler_of_its_own(stage, folder)
    t = tine(*LISTEN, "-o", "timing.prove=0", "-o", "timing.commit=20s", game,
             folder=folder, program=own, reports=True)
    before = t.status()
    fds = upgrade.descriptors(t.pid)
    upgrade.put(stage.handler("crash_later"), game, 0o644)
    for _ in range(3):
        upgrade.bad(t, CRASH)
    assert t.log("going back to the binary before")
    assert t.log("back again")
    now = t.status()["master"]
    assert now["rollbacks"] == 3
    # The handler on disk is bad for the old binary, too; what was there lives
    # on as long as its children do, who were called back from their drains.
    assert now["generation"] == before["master"]["generation"]
    upgrade.put(stage.handler("whoami"), game, 0o644)
    t.wait_children(2, timeout=40)
    procs.eventually(lambda: len(t.status()["children"]) == 2, 20,
                     what="nobody is left")
    upgrade.same_descriptors(t, fds)
    upgrade_and_commit(t)


def upgrade_and_commit(t):
    """A reload that waits makes the upgrade's watching end early."""
    t.signal(signal.SIGUSR2)
    t.wait_log("serves as generation", count=len(
        t.log("serves as generation")) + 1)
    done = t.tinectl("log-level", "info")
    assert done.returncode == 0
    assert t.status()["master"]["upgrades"] >= 1


def test_one_child_crashes_within_the_commit(tine, stage, folder):
    own = upgrade.put(stage.tine, f"{folder}/tine")
    game = handler_of_its_own(stage, folder)
    t = tine(*LISTEN, "-o", "timing.prove=0", "-o", "timing.commit=20s", game,
             folder=folder, program=own, reports=True)
    first = t.status()["master"]
    t.signal(signal.SIGUSR2)
    t.wait_log("serves as generation 2")
    pid = t.children()[1]
    os.kill(pid, signal.SIGSEGV)
    t.wait_log("back again")
    t.wait_log("upgrade failed: child 1: " + CRASH)
    t.wait_children(2)
    now = t.status()["master"]
    assert now["generation"] == first["generation"]
    assert now["rollbacks"] == 1
    assert now["state"] == "running"
    procs.eventually(lambda: {c["generation"] for c in t.status()["children"]}
                     == {1}, what="the new children are gone")


def test_one_child_killed_from_outside_is_no_reason(tine):
    t = tine(*LISTEN, "-o", "timing.prove=0", "-o", "timing.commit=20s",
             "echo")
    t.signal(signal.SIGUSR2)
    t.wait_log("serves as generation 2")
    os.kill(t.children()[1], signal.SIGKILL)
    t.wait_children(2)
    assert t.status()["master"]["rollbacks"] == 0
    assert t.status()["master"]["generation"] == 2


def test_one_that_passes_and_dies_is_outside_the_promise(tine, stage, folder):
    """Its children notice, and end what they began."""
    own = upgrade.put(stage.tine, f"{folder}/tine")
    t = tine(*LISTEN, *upgrade.QUICK, "-o", "timing.orphan=2s", "echo",
             folder=folder, program=own, code=3)
    upgrade.write(f"{folder}/act", "die")
    upgrade.put(stage.tine, f"{folder}/real")
    upgrade.put(stage.tool("impostor"), own)
    t.signal(signal.SIGUSR2)
    assert t.wait() == 3
    assert procs.wait_gone(procs.in_session(t.pid), 10) == []
