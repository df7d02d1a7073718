# SPDX-License-Identifier: BSD-2-Clause
"""Clients come without a pause while the server is reloaded and scaled."""

import pytest

import procs
from load import Client, target
from reload import master, reload, wait_state

FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0", "-o",
        "max-old-generations=32")
RELOADS = 20
SCALINGS = 20


@pytest.mark.timeout(180)
@pytest.mark.parametrize("accept", ["reuseport", "shared"])
@pytest.mark.parametrize("kind", ["fresh", "keepalive", "echo"])
def test_reloads_cost_no_request(tine, stage, folder, accept, kind):
    handler = ("echo",) if kind == "echo" else ("http", "text=hello")
    options = {"echo": {"bytes": 2000, "pace": 10000},
               "keepalive": {"text": "hello", "gap_max_ms": 200}}
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 4, "-a", accept, *FAST,
             *handler)
    least = []
    with Client(stage, folder, kind, target(t.address()), rate=100,
                **options.get(kind, {"text": "hello"})) as client:
        for _ in range(RELOADS):
            reload(t)
            least.append(master(t)["min_accepting"])
        report = client.finish()
    print(report)
    assert not any(report["failures"].values()), report
    assert report["answers"] > 0 or kind == "echo"
    assert min(least) >= 4
    now = master(t)
    assert (now["reloads"], now["rollbacks"], now["crashes"]) == \
        (RELOADS, 0, 0)


@pytest.mark.timeout(240)
def test_scalings_cost_no_request(tine, stage, folder):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, *FAST, "http", "text=hello")
    with Client(stage, folder, "keepalive", target(t.address()), rate=200,
                text="hello", gap_max_ms=100) as client:
        for i in range(SCALINGS):
            n = (5, 1, 3, 2)[i % 4]
            done = t.tinectl("scale", n)
            assert done.returncode == 0, done.stderr
            assert master(t)["processes"] == n
        report = client.finish()
    print(report)
    assert not any(report["failures"].values()), report
    wait_state(t)
    assert master(t)["crashes"] == 0


@pytest.mark.timeout(120)
def test_reloads_while_the_number_changes_cost_no_request(tine, stage, folder):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, *FAST, "echo")
    with Client(stage, folder, "echo", target(t.address()), rate=200,
                bytes=5, pace=1000) as client:
        for n in (5, 2, 4, 1, 3):
            assert t.tinectl("scale", n).returncode == 0
            reload(t)
        report = client.finish()
    assert not any(report["failures"].values()), report
    procs.eventually(lambda: len(t.children()) == 3)
