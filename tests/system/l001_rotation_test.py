# SPDX-License-Identifier: BSD-2-Clause
"""Rotation under load: no torn line, no lost line, no lost request."""

import os
import signal
from collections import Counter

import pytest

import load
import logs
import net
import procs

RATE = 500
ROTATIONS = 12
GAP = 0.25


def rotate_by_tinectl(t, path, number):
    os.rename(path, f"{path}.{number}")
    done = t.tinectl("reopen")
    assert done.returncode == 0, done.stderr


def rotate_by_signal(t, path, number):
    os.rename(path, f"{path}.{number}")
    t.signal(signal.SIGUSR1)
    procs.eventually(lambda: os.path.exists(path), 5, "a new log file")


@pytest.mark.load
@pytest.mark.parametrize("rotate", [rotate_by_tinectl, rotate_by_signal])
def test_rotation_under_load_loses_and_tears_nothing(tine, stage, folder,
                                                     rotate):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "-L", path,
             "--log-level", "debug", "http", "text=hello", folder=folder)
    with load.Client(stage, folder, "fresh", load.target(t.address()),
                     rate=RATE, text="hello") as client:
        for i in range(ROTATIONS):
            net.wait_seconds(GAP)
            rotate(t, path, i)
        report = client.finish()
    assert not any(report["failures"].values()), report
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0, 10)
    accepted = t.status()["totals"]["accepted"]
    t.stop()
    names = [path, *(f"{path}.{i}" for i in range(ROTATIONS))]
    lines = [line for name in names for line in logs.read(name)]
    assert logs.torn(lines) == []
    assert logs.lost(lines) == 0
    opened = Counter(m.group(1, 2) for m in map(logs.OPENED.search, lines) if m)
    closed = Counter(m.group(1, 2) for m in map(logs.CLOSED.search, lines) if m)
    assert sum(opened.values()) == accepted > RATE * GAP * ROTATIONS / 2
    assert opened == closed
    assert set(opened.values()) == {1}


def test_after_reopen_returned_the_old_file_is_free(tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "-L", path,
             "--log-level", "debug", "echo", folder=folder)
    rotate_by_tinectl(t, path, 1)
    size = os.path.getsize(path + ".1")
    # Only root sees the descriptors of children.
    pids = [t.pid, *(t.children().values() if os.getuid() == 0 else ())]
    holders = [pid for pid in pids
               for kind in procs.fd_kinds(pid) if kind == path + ".1"]
    assert holders == []
    t.connect().close()
    procs.eventually(lambda: [x for x in logs.read(path) if "closed" in x], 5)
    assert t.tinectl("kill", 0).returncode == 0
    t.stop()
    assert os.path.getsize(path + ".1") == size
    assert [x for x in logs.read(path) if " child 0: starting" in x]
