# SPDX-License-Identifier: BSD-2-Clause
"""After hundreds of deaths the master and a fresh child hold what they held at
first."""

import os
import signal

import pytest

import procs

CHILDREN = 4

pytestmark = pytest.mark.skipif(
    os.getuid() != 0, reason="only root sees the descriptors of a child")


def kill_all(t, deaths):
    """Kill every child again and again, `deaths` in all."""
    for _ in range(deaths // CHILDREN):
        victims = list(t.children().values())
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        t.wait_children(without=victims)


def fresh_child(t):
    """A child of place 0 that was born while all others lived."""
    old = t.children()[0]
    os.kill(old, signal.SIGKILL)
    return t.wait_children(without=[old])[0]


@pytest.mark.slow
@pytest.mark.load
@pytest.mark.timeout(180)
def test_a_thousand_deaths_leave_no_descriptor_and_no_memory(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://socket", "-n",
             CHILDREN, "--log-level", "warn", "echo")
    seen = {}
    done = 0
    for deaths in (8, 200, 1000):
        kill_all(t, deaths - done)
        done = deaths
        child = fresh_child(t)
        seen[deaths] = (procs.fd_kinds(t.pid), procs.fd_kinds(child),
                        procs.rss_kib(t.pid))
    for deaths, (master, child, rss) in seen.items():
        print(f"{deaths} deaths: master {len(master)} descriptors, {rss} KiB; "
              f"child {len(child)}")
    assert seen[200][0] == seen[8][0] == seen[1000][0]
    assert seen[200][1] == seen[8][1] == seen[1000][1]
    assert seen[1000][2] - seen[200][2] <= 256


def test_a_child_holds_no_channel_of_a_sibling(tine):
    """One channel, its slots, its epoll set, however many siblings."""
    few = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    many = tine("-l", "tcp://127.0.0.1:0", "-n", "12", "echo")
    assert procs.fd_kinds(fresh_child(few)) == \
        procs.fd_kinds(fresh_child(many))


def test_descriptors_that_tine_was_started_with_reach_nobody(tine, stage):
    folder = stage.folder()
    with open(f"{folder}/leaked", "w", encoding="ascii") as f:
        os.set_inheritable(f.fileno(), True)
        t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo", keep=[f])
        for pid in (t.pid, *t.children().values()):
            assert not [k for k in procs.fd_kinds(pid) if "leaked" in k]
