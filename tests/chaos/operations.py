# SPDX-License-Identifier: BSD-2-Clause
"""operations.py: what an operator does to a tine that serves, and deaths of
its children. Each function is an event of a chaos run: it makes it happen,
waits until it is over, and asserts that tine says what it has to say about it.
It returns what it measured. Who lost a request is found out later."""

import os
import random
import signal
import time

import procs

SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN,
           signal.SIGTTOU, signal.SIGWINCH, signal.SIGPIPE)
BURST = 20
STORM = 1000
DRAIN_SECONDS = 120
CRASHES = 3


def take(scene, rng):
    """A victim and its place. The acceptor holds one connection at a time."""
    place, pid = rng.choice(list(scene.mortals().items()))
    return place, scene.take(pid, 1 if place == "acceptor" else None)


def meanwhile(scene, rng, what):
    """Something else, while an operation is under way. It must not matter."""
    if what == "nothing":
        return
    begin = time.monotonic()
    pause = rng.uniform(0, 0.1)
    procs.eventually(lambda: time.monotonic() - begin >= pause, 1)
    if what == "kill":
        take(scene, rng)[1].kill()
    elif what == "reopen":
        scene.ctl("reopen")


# ---- reload ----

def change_conf(scene, change):
    """The next configuration differs from the one before in this."""
    if change == "value":
        scene.idle = "60s" if scene.idle == "75s" else "75s"
    elif change == "listener":
        where = os.path.join(scene.folder, f"extra{scene.number}.sock")
        scene.extra = [scene.server("echo", f"unix://{where}")]
    elif change == "back":
        scene.extra = []
    scene.write_conf()


def reload(scene, rng, by, change, **details):
    change_conf(scene, change)
    before = scene.master()
    begin = time.monotonic()
    if by == "HUP":
        scene.signal(signal.SIGHUP)
        meanwhile(scene, rng, details["meanwhile"])
    else:
        command = scene.begin("reload")
        meanwhile(scene, rng, details["meanwhile"])
        scene.finish(command)
    scene.wait_master(lambda m: m["reloads"] > before["reloads"], "the reload")
    took = time.monotonic() - begin
    scene.settle()
    status = scene.status()
    after = status["master"]
    assert after["reloads"] == before["reloads"] + 1, after
    assert after["rollbacks"] == before["rollbacks"], after["last_error"]
    assert after["generation"] > before["generation"], after
    old = [c for c in status["children"] if c["state"] == "ready"
           and c["generation"] != after["generation"]]
    assert not old, f"still of the old generation: {old}"
    return {"seconds": took} | strength(scene, after, details["meanwhile"])


def strength(scene, master, what):
    """The fewest that accepted during an operation that nobody disturbed."""
    if what == "kill":
        return {}
    assert master["min_accepting"] >= scene.n, master
    return {"min_accepting": master["min_accepting"] - scene.n}


# ---- scale ----

def scale(scene, rng, by, to, **details):
    begin = time.monotonic()
    old = scene.n
    if by == "signal":
        up = to > old or old == 1
        scene.n = old + 1 if up else old - 1
        scene.signal(signal.SIGTTIN if up else signal.SIGTTOU)
        meanwhile(scene, rng, details["meanwhile"])
    else:
        scene.n = to
        command = scene.begin("scale", to)
        meanwhile(scene, rng, details["meanwhile"])
        scene.finish(command)
    scene.wait_master(lambda m: m["processes"] == scene.n, "the new number")
    scene.settle()
    return {"seconds": time.monotonic() - begin}


# ---- upgrade ----

def upgrade(scene, rng, by, **details):
    before = scene.master()
    scene.replace_binary()
    begin = time.monotonic()
    if by == "USR2":
        scene.signal(signal.SIGUSR2)
        meanwhile(scene, rng, details["meanwhile"])
    else:
        command = scene.begin("upgrade")
        meanwhile(scene, rng, details["meanwhile"])
        scene.finish(command)
    after = scene.wait_master(
        lambda m: m["upgrades"] > before["upgrades"], "the upgrade")
    took = time.monotonic() - begin
    scene.settle()
    assert after["pid"] == before["pid"], after
    assert scene.runs_binary_on_disk(), "the old binary still runs"
    return {"seconds": took} | strength(scene, scene.master(),
                                        details["meanwhile"])


# ---- death ----

def kill(scene, rng, by):
    """SIGKILL of a READY child, or of the acceptor; measures when its place is
    READY again."""
    place, victim = take(scene, rng)
    if by == "tinectl" and place != "acceptor":
        # When exactly it dies is not known here.
        victim.queued = set()
        victim.killed_ns = time.monotonic_ns()
        scene.ctl("kill", place)
    else:
        victim.kill()
    victim.wait_gone(10)
    scene.settle()
    pause = victim.killed_ns - victim.stopped_ns
    return {"pause_ms": pause / 1e6,
            "seconds": (time.monotonic_ns() - victim.killed_ns) / 1e9}


def crash_loop(scene, rng):
    """One place's children die of SIGSEGV as soon as they are READY."""
    crashes = scene.master()["crashes"]
    place = rng.choice(list(scene.ready()))
    pid = None
    begin = time.monotonic()
    for _ in range(CRASHES):
        def successor(dead=pid):
            now = scene.ready().get(place)
            return now if now != dead else None
        pid = procs.eventually(successor, 20, f"place {place} READY")
        victim = scene.take(pid)
        victim.kill(signal.SIGSEGV)
        victim.wait_gone(10)
    scene.settle()
    assert scene.master()["crashes"] == crashes + CRASHES, scene.master()
    return {"seconds": time.monotonic() - begin}


# ---- logs, signals, ends ----

def reopen(scene, rng, by):
    before = os.stat(scene.log_path).st_ino
    os.rename(scene.log_path, f"{scene.log_path}.{rng.getrandbits(32):08x}")
    if by == "tinectl":
        scene.ctl("reopen")
    else:
        scene.signal(signal.SIGUSR1)
    procs.eventually(lambda: os.path.exists(scene.log_path), 10, "a new log")
    assert os.stat(scene.log_path).st_ino != before
    return {}


def signals(scene, rng):
    """All that may be sent to a master, without a pause. Afterwards there are
    as many children as it says."""
    for _ in range(BURST):
        scene.signal(rng.choice(SIGNALS))
    begin = time.monotonic()

    def settled():
        status = scene.status()
        scene.n = status["master"]["processes"]
        ready = [c for c in status["children"] if c["state"] == "ready"]
        return status["master"]["state"] == "running" and \
            len(ready) == scene.n and 1 <= scene.n <= 8 + BURST
    procs.eventually(settled, 60, "rest after many signals")
    return {"seconds": time.monotonic() - begin}


def signal_storm(scene, rng):
    """The same, many more of them, and the end on top of it."""
    took = []

    def stop():
        for _ in range(STORM):
            scene.signal(rng.choice(SIGNALS))
        begin = time.monotonic()
        scene.signal(signal.SIGTERM)
        scene.tine.wait(DRAIN_SECONDS)
        took.append(time.monotonic() - begin)
    scene.restart(stop)
    return {"seconds": took[0]}


def restart(scene, rng):
    del rng
    begin = time.monotonic()
    scene.restart(lambda: scene.ctl("stop"))
    return {"seconds": time.monotonic() - begin}


def master_kill(scene, rng):
    """SIGKILL of the master. Whoever waits in a queue waits for the next
    master; the children finish what they have."""
    del rng
    begin = time.monotonic()
    scene.replace_killed()
    scene.settle()
    return {"seconds": time.monotonic() - begin}


def pile(scene, rng, order, to):
    """Operations on top of each other: ordered, none lost."""
    before = scene.master()
    begin = time.monotonic()
    commands = [_begin(scene, name, to) for name in _paced(rng, order)]
    for command in commands:
        scene.finish(command)
    scene.n = to
    scene.settle()
    after = scene.master()
    assert after["processes"] == to, after
    assert after["pid"] == before["pid"], after
    assert after["rollbacks"] == before["rollbacks"], after
    assert after["upgrades"] == before["upgrades"] + 1, after
    return {"seconds": time.monotonic() - begin}


def pile_stop(scene, rng, order, to):
    """The same, and one of them is the end. Who came before it was done or is
    told so; who comes after it finds nobody."""
    commands = []

    def stop():
        for name in _paced(rng, order):
            commands.append((name, _begin(scene, name, to)))
        for name, command in commands:
            _, reason = command.communicate(timeout=70)
            said = command.returncode
            assert said == 0 or name != "stop" and said in (1, 2) and reason, \
                f"{name}: exit code {said}: {reason}"
    begin = time.monotonic()
    scene.restart(stop)
    return {"seconds": time.monotonic() - begin}


def _begin(scene, name, to):
    if name == "upgrade":
        scene.replace_binary()
    return scene.begin(*((name, to) if name == "scale" else (name,)))


def _paced(rng, order):
    for name in order:
        yield name
        end = time.monotonic() + rng.choice((0, 0.001, 0.01, 0.1))
        procs.eventually(lambda end=end: time.monotonic() >= end, 1)
