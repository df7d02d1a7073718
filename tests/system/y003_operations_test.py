# SPDX-License-Identifier: BSD-2-Clause
"""Accept mode dispatch under load: reload, scale, recycle and upgrade cost no
request, and no connection in a hand-off pair is forgotten."""

import os

import pytest

import dispatch
import procs
import upgrade
from load import Client, target
from reload import master, reload, wait_state

FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0", "-o",
        "max-old-generations=32")
MODE = ("-a", "dispatch")
KINDS = {"fresh": {"text": "hello"},
         "keepalive": {"text": "hello", "gap_max_ms": 200}}


@pytest.fixture(params=["tcp://127.0.0.1:0", "unix://socket"])
def url(request):
    return request.param


def start(tine, url, n, *args):
    t = tine("-l", url, "-n", n, *MODE, *FAST, *args, "http", "text=hello")
    dispatch.wait_acceptor(t)
    return t


def load(t, stage, folder, kind="fresh", rate=200):
    return Client(stage, folder, kind, target(t.address()), rate=rate,
                  **KINDS[kind])


def nothing_failed(report):
    print(report)
    assert not any(report["failures"].values()), report
    assert report["answers"] > 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_reloads_cost_no_request(tine, stage, folder, url, kind):
    t = start(tine, url, 4)
    least = []
    with load(t, stage, folder, kind) as client:
        for _ in range(10):
            reload(t)
            least.append(master(t)["min_accepting"])
        nothing_failed(client.finish())
    assert min(least) >= 4
    now = t.status()
    assert now["master"]["crashes"] == 0
    # It follows each generation that serves.
    procs.eventually(lambda: dispatch.acceptor(t)["restarts"] >= 10)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["round-robin", "least-connections",
                                 "source-hash", "random"])
def test_scalings_cost_no_request(tine, stage, folder, how):
    t = start(tine, "tcp://127.0.0.1:0", 2, "-b", how)
    with load(t, stage, folder, "keepalive") as client:
        for n in (5, 1, 3, 2, 6, 2):
            done = t.tinectl("scale", n)
            assert done.returncode == 0, done.stderr
            assert master(t)["processes"] == n
        nothing_failed(client.finish())
    wait_state(t)
    assert master(t)["crashes"] == 0


def test_recycling_costs_no_request(tine, stage, folder, url):
    t = start(tine, url, 3, "-o", "recycle.connections=50")
    with load(t, stage, folder, rate=300) as client:
        procs.eventually(lambda: sum(
            c["restarts"] for c in t.status()["children"]) >= 6, 30,
            "six recyclings")
        nothing_failed(client.finish())
    assert master(t)["crashes"] == 0


@pytest.mark.timeout(180)
def test_upgrades_cost_no_request(tine, stage, folder, url):
    t = start(tine, url, 3)
    with load(t, stage, folder) as client:
        for _ in range(5):
            upgrade.good(t)
        nothing_failed(client.finish())
    assert master(t)["upgrades"] == 5
    pid = dispatch.wait_acceptor(t)
    # The pairs are the same: nothing was opened anew, nothing forgotten.
    before = procs.fd_kinds(t.pid)
    upgrade.good(t)
    dispatch.wait_acceptor(t, without=pid)
    procs.eventually(lambda: procs.fd_kinds(t.pid) == before, 10,
                     "the same descriptors")


def test_a_scaling_that_ends_leaves_the_pairs_of_its_places_closed(tine):
    t = start(tine, "tcp://127.0.0.1:0", 2)
    before = procs.fd_kinds(t.pid)
    for _ in range(3):
        assert t.tinectl("scale", 5).returncode == 0
        assert t.tinectl("scale", 2).returncode == 0
        procs.eventually(lambda: procs.fd_kinds(t.pid) == before, 10,
                         "the same descriptors")


def test_a_listener_comes_and_goes_by_reload(tine, stage, folder):
    path = f"{folder}/t.yaml"

    def write(*urls):
        with open(path, "w", encoding="ascii") as f:
            f.write("processes: 3\naccept: dispatch\nservers:\n")
            for url in urls:
                f.write(f"  - listen: [ \"{url}\" ]\n"
                        f"    handler: {dispatch.whoami(stage)}\n")
    first, second = "tcp://127.0.0.1:0", f"unix://{folder}/second"
    write(first)
    t = tine("-c", path, *FAST)
    old = dispatch.wait_acceptor(t)
    write(first, second)
    reload(t)
    old = dispatch.wait_acceptor(t, without=old)
    t.listeners.append((second, ""))
    assert sorted(dispatch.places(t, 3, i=1)) == [0, 1, 2]
    waiting = [t.connect(1) for _ in range(20)]
    write(first)
    reload(t)
    for s in waiting:
        s.sendall(b"x")
        assert s.recv(100)
    dispatch.wait_acceptor(t, without=old)
    procs.eventually(lambda: len(t.status()["listeners"]) == 1, 20,
                     "the listener gone")
    assert not os.path.exists(f"{folder}/second")
    t.listeners.pop()
    assert sorted(dispatch.places(t, 3)) == [0, 1, 2]


def test_a_rollback_brings_the_old_acceptor_back(tine, stage, folder):
    """A handler that cannot start: the generation fails as any other does."""
    path = f"{folder}/t.yaml"

    def write(handler):
        with open(path, "w", encoding="ascii") as f:
            f.write("processes: 2\naccept: dispatch\nservers:\n"
                    f"  - listen: [ \"tcp://127.0.0.1:0\" ]\n"
                    f"    handler: {handler}\n")
    write(dispatch.whoami(stage))
    t = tine("-c", path)
    pid = dispatch.wait_acceptor(t)
    write(os.path.join(stage.build, "tests", "handlers", "fatal.so"))
    reload(t, 1)
    assert dispatch.acceptor(t)["pid"] == pid
    assert sorted(dispatch.places(t, 2)) == [0, 1]


def test_the_children_of_places_that_leave_get_nothing_more(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 4, *MODE,
             dispatch.whoami(stage))
    dispatch.wait_acceptor(t)
    assert t.tinectl("scale", 2).returncode == 0
    assert dispatch.places(t, 6) in ([0, 1] * 3, [1, 0] * 3)
