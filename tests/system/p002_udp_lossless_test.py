# SPDX-License-Identifier: BSD-2-Clause
"""No UDP packet is lost when children come and go: numbered packets at a steady
rate, never more under way than a socket has room for, and each must come
back."""

import os
import shutil
import signal

import pytest

import procs
from packets import Stream, client
from reload import QUICK, Site, reload

FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0")
BATCH = 16  # packets that a killed child may have had in its hands


def ctl(t, *args):
    done = t.tinectl(*args)
    assert done.returncode == 0, done.stderr


def all_well(stream):
    stream.finish()
    assert stream.wrong == []
    assert stream.lost == []
    assert stream.answered == stream.sent


@pytest.mark.parametrize("children", [1, 3])
def test_reloads_lose_nothing(tine, children):
    t = tine("-l", "udp://127.0.0.1:0", "-n", children, *FAST, "echo")
    with Stream(t.port()) as stream:
        for _ in range(5):
            reload(t)
            stream.more()
    all_well(stream)


def test_scaling_up_and_down_loses_nothing(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 1, *FAST, "echo")
    with Stream(t.port()) as stream:
        for n in (4, 1, 3, 2, 4, 1):
            ctl(t, "scale", n)
            stream.more()
    all_well(stream)


def test_recycling_children_loses_nothing(tine):
    t = tine("-l", "udp4://:0", "-n", 3, *FAST, "-o", "recycle.age=3s",
             "echo")
    first = set(t.children().values())
    with Stream(t.port()) as stream:
        procs.eventually(
            lambda: not first & set(t.children().values()), 30,
            "each child was replaced")
        for place in range(3):
            ctl(t, "drain", place)
        stream.more()
    all_well(stream)


def test_upgrades_lose_nothing(tine, stage, folder):
    program = os.path.join(folder, "tine")
    shutil.copy(stage.tine, program)
    t = tine("-l", "udp://127.0.0.1:0", "-n", 2, *FAST, "echo",
             program=program, folder=folder)
    with Stream(t.port()) as stream:
        for _ in range(2):
            ctl(t, "upgrade")
            stream.more()
        ctl(t, "scale", 4)
        ctl(t, "scale", 2)
        stream.more()
    all_well(stream)


def test_a_rollback_loses_nothing(tine, stage, folder):
    text = QUICK + "processes: 2\nservers: [ { listen: " \
        "[ 'udp://127.0.0.1:%d' ], handler: %s } ]\n"
    site = Site(tine, stage, folder, text % (0, "echo"))
    with Stream(site.tine.port()) as stream:
        for _ in range(2):
            site.reload(text % (0, stage.handler("crash_start")), code=1)
            stream.more()
    all_well(stream)


def test_a_killed_child_takes_no_more_than_its_batch_with_it(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 3, "echo")
    kills = 10
    with Stream(t.port()) as stream:
        for i in range(kills):
            os.kill(t.children()[i % 3], signal.SIGKILL)
            stream.more()
            t.wait_children(3)
    stream.finish()
    assert stream.wrong == []
    assert len(stream.lost) <= kills * BATCH
    # Nearly always it had none in its hands.
    assert len(stream.lost) <= stream.sent * 0.02


def test_packets_wait_while_the_only_child_is_dead(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 1, "echo")
    with client("127.0.0.1", t.port()) as s:
        for _ in range(10):
            child = t.children()[0]
            os.kill(child, signal.SIGSTOP)
            s.send(b"waits")
            os.kill(child, signal.SIGKILL)
            assert s.recv(64) == b"waits"
            t.wait_children(1, {child})


def test_the_queue_of_a_stopped_child_is_served_by_a_sibling(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 2, "echo")
    with Stream(t.port(), rate=100, deadline=15) as stream:
        child = t.children()[0]
        os.kill(child, signal.SIGSTOP)
        t.wait_log("suspect|has not beaten|silent", 10)
        stream.more()
        os.kill(child, signal.SIGCONT)
        stream.more()
    all_well(stream)
    assert 1 < stream.longest < 12


def test_a_stop_answers_what_has_come(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 2, "echo")
    children = t.children().values()
    with client("127.0.0.1", t.port()) as s:
        for child in children:
            os.kill(child, signal.SIGSTOP)
        for _ in range(50):
            s.send(b"x")
        t.signal(signal.SIGTERM)
        t.wait_log("stopping", 5)
        for child in children:
            os.kill(child, signal.SIGCONT)
        assert [s.recv(64) for _ in range(50)] == [b"x"] * 50
    t.wait()
