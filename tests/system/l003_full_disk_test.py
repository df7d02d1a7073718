# SPDX-License-Identifier: BSD-2-Clause
"""A full disk costs lines and nothing else. As another user than root, who may
mount nothing, test_log's unit tests with RLIMIT_FSIZE and /dev/full are the
proof."""

import os
import subprocess

import pytest

import logs
import procs


@pytest.fixture
def small_disk(folder):
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    path = os.path.join(folder, "disk")
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755",
                    "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def ask(t, n):
    for _ in range(n):
        s = t.connect()
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        s.close()
    t.sockets = []


def test_a_full_disk_delays_nobody_and_the_log_goes_on_after_it(
        tine, small_disk):
    path = os.path.join(small_disk, "tine.log")
    ballast = os.path.join(small_disk, "ballast")
    with open(ballast, "wb") as f:
        f.write(b"x" * 32768)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", path,
             "--log-level", "debug", "echo")
    ask(t, 600)
    assert os.statvfs(small_disk).f_bavail == 0
    # The master meets the full disk too.
    assert t.tinectl("kill", 0).returncode == 0
    ask(t, 50)
    assert t.status()["totals"]["accepted"] == 650
    full = os.path.getsize(path)
    os.unlink(ballast)
    procs.eventually(lambda: os.path.getsize(path) > full, 5,
                     "the log goes on by itself")
    ask(t, 20)
    t.stop()
    lines = logs.read(path)
    assert logs.lost(lines) > 100
    # Behind the place where the disk was full there are whole lines, and the
    # empty ones of processes that could not know whose line was cut.
    with open(path, encoding="ascii") as f:
        f.seek(full)
        after = f.read().splitlines()
    assert logs.torn(filter(None, after)) == []
    # Before it, at most one line of each process was cut.
    with open(path, encoding="ascii") as f:
        before = f.read(full).splitlines()
    assert len(logs.torn(filter(None, before[:-1]))) <= 3
