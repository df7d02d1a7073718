# SPDX-License-Identifier: BSD-2-Clause
"""Two builds that disagree about the state, the channel and the board upgrade
to each other, in both directions, and have children of both at once."""

import os
import signal

import pytest

import net
import procs
import upgrade
from load import Client, target

LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "3", *upgrade.QUICK)


@pytest.fixture
def skewed(stage):
    """The other build's binary."""
    tops = (stage.build + "-skew",
            os.path.join(os.path.dirname(stage.build), "build-skew"))
    for top in tops:
        if os.path.exists(f"{top}/tine"):
            return f"{top}/tine"
    return pytest.skip("make BUILD=build-skew SKEW=1 build-skew/tine")


def version(t):
    return t.status()["version"]


def totals(t):
    return t.status()["totals"]


def use(t, n):
    """n connections, each with 5 bytes there and back."""
    for _ in range(n):
        s = t.connect()
        s.sendall(b"hello")
        assert net.recv_exact(s, 5) == b"hello"
        s.close()


def counted(t, n):
    def are():
        x = totals(t)
        return (x["accepted"], x["bytes_in"], x["bytes_out"]) == \
            (n, 5 * n, 5 * n)
    procs.eventually(are, what=f"{n} connections counted: {totals(t)}")


def builds(stage, skewed, direction):
    return (stage.tine, skewed) if direction == "there" else \
        (skewed, stage.tine)


@pytest.fixture(params=["there", "back"])
def pair(request, stage, skewed):
    """From which build to which."""
    return builds(stage, skewed, request.param)


@pytest.fixture
def server(tine, folder, pair):
    """A server of the first build, which finds the second one on disk."""
    def start(*args, listen=LISTEN, handler="echo", **options):
        own = upgrade.put(pair[0], f"{folder}/tine")
        t = tine(*listen, *args, handler, folder=folder, program=own,
                 **options)
        upgrade.put(pair[1], own)
        return t
    return start


def test_upgrade_and_counters(server):
    t = server()
    first = version(t)
    use(t, 10)
    counted(t, 10)
    upgrade.good(t)
    assert version(t) != first
    assert ("+skew" in version(t)) != ("+skew" in first)
    counted(t, 10)
    use(t, 10)
    counted(t, 20)
    t.wait_children(3)
    assert t.status()["master"]["pid"] == t.pid


def test_to_and_fro_under_load(server, pair, stage):
    t = server()
    own = f"{t.folder}/tine"
    with Client(stage, t.folder, "echo", target(t.address()), rate=200,
                bytes=200, pace=1000) as load:
        for i in range(8):
            upgrade.put(pair[(i + 1) % 2], own)
            upgrade.good(t)
        report = load.finish()
    assert not any(report["failures"].values()), report
    procs.eventually(lambda: len(t.status()["children"]) == 3,
                     what="the old ones are gone")
    assert totals(t)["accepted"] == report["connected"]


def test_children_of_both_builds_obey(server):
    """An old child drains with a connection; then it is told of the log, of its
    end, and its counters are right."""
    t = server("-o", "drain-timeout=30s")
    s = t.connect()
    s.sendall(b"hello")
    assert net.recv_exact(s, 5) == b"hello"
    old = t.children()
    upgrade.good(t)
    procs.eventually(lambda: len(t.status()["children"]) == 4,
                     what="the others have left")
    (draining,) = [c for c in t.status()["children"]
                   if c["state"] == "draining"]
    assert draining["pid"] in old.values()
    assert draining["connections"] == 1
    assert (draining["bytes_in"], draining["bytes_out"]) == (5, 5)
    assert t.tinectl("log-level", "debug").returncode == 0
    s.sendall(b"hello")
    assert net.recv_exact(s, 5) == b"hello"
    s.close()
    procs.eventually(lambda: len(t.status()["children"]) == 3,
                     what="it has left")
    assert t.log(f"pid {draining['pid']}.* ended: exit code 0")
    assert totals(t)["bytes_in"] == 10


def test_an_old_child_adopts_and_a_new_one_dies(server):
    """While it rolls, slots of the dead are polled by children of the other
    build, in both directions."""
    t = server("-o", "timing.prove=1s")
    t.signal(signal.SIGUSR2)
    t.wait_log("becoming tine")
    for pid in list(t.children().values())[:2]:
        os.kill(pid, signal.SIGKILL)
    use(t, 50)
    procs.eventually(lambda: t.status()["master"]["upgrades"] == 1, 30,
                     what="the upgrade")
    os.kill(t.children()[0], signal.SIGKILL)
    use(t, 50)
    t.wait_children(3)


def test_a_failing_roll_goes_back(server):
    """RESUME and RETURNING: the old image takes over what the other build made
    of its state, and calls its own children back."""
    t = server(listen=("-l", "tcp://127.0.0.1:0", "-n", "3", "-o",
                       "timing.prove=0", "-o", "timing.commit=20s"),
               reports=True)
    first = version(t)
    fds = upgrade.descriptors(t.pid)
    # Its sessions hold the old children, so that they can be called back.
    held = [t.connect() for _ in range(12)]
    for s in held:
        s.sendall(b"hello")
        assert net.recv_exact(s, 5) == b"hello"
    before = t.children()
    t.signal(signal.SIGUSR2)
    t.wait_log("serves as generation 2")
    os.kill(t.children()[2], signal.SIGSEGV)
    t.wait_log("back again")
    t.wait_log("upgrade failed: child 2: (signal 11|exit code 1)")
    assert version(t) == first
    now = t.wait_children(3)
    assert set(now.values()) & set(before.values())
    assert t.status()["master"]["generation"] == 1
    assert t.status()["master"]["rollbacks"] == 1
    for s in held:
        s.sendall(b"hello")
        assert net.recv_exact(s, 5) == b"hello"
        s.close()
    procs.eventually(lambda: {c["generation"] for c in t.status()["children"]}
                     == {1}, what="the new children are gone")
    upgrade.same_descriptors(t, fds)


def test_a_reload_and_a_scale_of_the_other_builds_children(server):
    t = server()
    assert t.tinectl("scale", "1").returncode == 0
    upgrade.good(t)
    assert t.tinectl("scale", "4").returncode == 0
    assert t.tinectl("reload").returncode == 0
    t.wait_children(4)
    use(t, 20)
    t.stop()
