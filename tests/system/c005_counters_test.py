# SPDX-License-Identifier: BSD-2-Clause
"""Counters never go back when a child dies."""

import random


def test_totals_only_rise_while_children_are_killed(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    rng = random.Random(5)
    before = t.status()["totals"]
    sent = 0
    for _ in range(8):
        for _ in range(10):
            with t.connect() as s:
                s.sendall(b"x" * 50)
                sent += len(s.recv(50))
        t.tinectl("kill", rng.randrange(3))
        now = t.status()["totals"]
        for name in ("accepted", "bytes_in", "bytes_out", "requests",
                     "dropped"):
            assert now[name] >= before[name], name
        before = now
    assert before["accepted"] == 80
    assert before["bytes_in"] == sent == before["bytes_out"]
