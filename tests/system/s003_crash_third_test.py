# SPDX-License-Identifier: BSD-2-Clause
"""A place whose child dies at each start, beside healthy siblings."""

import re

import pytest

import net
import procs
from load import Client, lost, never_happened, target

WINDOW = 10
CHILDREN = 4


@pytest.mark.timeout(120)
def test_a_crash_loop_is_slow_cheap_and_harmless(tine, stage, folder):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", CHILDREN,
             stage.handler("crash_third"), ready=False, reports=True)
    t.wait_serving(CHILDREN - 1)
    cpu = procs.cpu_seconds(t.pid)
    with Client(stage, folder, "echo", target(t.address()), rate=100,
                bytes=5, pace=1000) as client:
        net.wait_seconds(WINDOW)
        report = client.finish()
    busy = (procs.cpu_seconds(t.pid) - cpu) / WINDOW
    deaths = t.obituaries()
    print(f"{len(deaths)} deaths, master {busy:.2%} busy, {report}")
    assert lost(report) == 0 and never_happened(report)
    assert len(deaths) <= CHILDREN + 20
    assert len(deaths) >= 3
    assert all(re.search(r"child 2 \(", x) for x in deaths)
    assert busy < 0.01
    assert set(t.children()) == {0, 1, 3}
