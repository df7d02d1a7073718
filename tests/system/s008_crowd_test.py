# SPDX-License-Identifier: BSD-2-Clause
"""18,000 idle connections at once in one child."""

import os
import resource
import subprocess
import sys

import pytest

import procs

HERE = os.path.dirname(os.path.abspath(__file__))
CROWD = os.path.join(os.path.dirname(HERE), "lib", "crowd.py")
CONNECTIONS = 18_000
HELPERS = 2
# What is aimed at is 160; an allocator may round its last step up.
BYTES_EACH_MAX = 170


def said(helper, words):
    line = helper.stdout.readline().strip()
    assert line == words, line


@pytest.mark.load
@pytest.mark.timeout(120)
def test_one_child_holds_18000_idle_connections(tine):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < CONNECTIONS + 500:
        pytest.skip("the hard limit of descriptors is too low here")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    (child,) = t.children().values()
    memory = procs.dirty_kib if os.getuid() == 0 else procs.private_kib
    before = memory(child)
    each = CONNECTIONS // HELPERS
    helpers = [subprocess.Popen(
        [sys.executable, CROWD, "127.0.0.1", str(t.port()), str(each),
         f"127.0.0.{i + 2}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i in range(HELPERS)]
    try:
        for helper in helpers:
            said(helper, f"open {each}")
        procs.eventually(lambda: t.status()["totals"]["connections"] ==
                         CONNECTIONS, 30, "all accepted")
        used = (memory(child) - before) * 1024 / CONNECTIONS
        print(f"{used:.0f} bytes of user memory for each connection")
        for helper in helpers:
            helper.stdin.write("echo\n")
            helper.stdin.flush()
        for helper in helpers:
            said(helper, f"echoed {each}")
        assert used < BYTES_EACH_MAX
    finally:
        for helper in helpers:
            helper.stdin.close()
            helper.wait(30)
            helper.stdout.close()
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0, 20,
                     "all gone")
