# SPDX-License-Identifier: BSD-2-Clause
"""A handler that was taken over: it costs at most its child."""

import math
import os

import pytest

import net
import procs

FLOODS = ["random", "types", "zero", "huge", "fds"]
DAMAGE = ["listen", "nonblock", "shutdown", "steer"]


def attacked(tine, stage, attack):
    """A server of three children, one of which has attacked."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", stage.handler("hostile"),
             f"do={attack}", reports=True)
    t.before = procs.fd_kinds(t.pid)
    s = t.connect(timeout=20)
    s.sendall(b"go\n")
    try:
        s.recv(3)
    except ConnectionResetError:
        pass
    return t


def all_numbers(value):
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (list, type({}.values()))):
        return [n for v in value for n in all_numbers(v)]
    return [value] if isinstance(value, (int, float)) else []


def test_scribbled_shared_memory_is_only_shown_wrong(tine, stage):
    t = attacked(tine, stage, "board")
    before = t.status()
    for n in all_numbers(before):
        assert math.isfinite(n) and n >= 0
    for _ in range(20):
        s = t.connect()
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    place = t.children()
    assert t.tinectl("kill", min(place)).returncode == 0
    after = t.status()
    for name, value in before["totals"].items():
        if name not in ("connections", "refused", "fairness",
                        "fairness_open"):
            assert after["totals"][name] >= value
    assert after["master"]["state"] == "running"


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_on_the_channel_costs_the_child_that_sends_it(
        tine, stage, flood):
    t = attacked(tine, stage, flood)
    assert t.wait_log("ended: ", 20)
    t.wait_children(3)
    for _ in range(20):
        with t.connect() as s:
            s.sendall(b"x")
            assert s.recv(1) == b"x"
    assert t.status()["master"]["state"] == "running"
    procs.eventually(lambda: procs.fd_kinds(t.pid) == t.before, 5,
                     "the descriptors of the master are those it had")
    assert len(t.obituaries()) == 1
    assert len(t.lines) < 200


def test_a_child_that_says_that_it_leaves_and_stays_is_killed(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-o", "hang-timeout=1h",
             stage.handler("hostile"), "do=drained", reports=True)
    with t.connect() as s:
        s.sendall(b"go\n")
        t.wait_log(r"did not leave in time", 5)
        assert t.wait_log(r"ended: signal 9", 5)
    t.wait_children(2)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_a_slot_leaves_master_and_status_alive(tine, stage, damage):
    t = attacked(tine, stage, damage)
    assert procs.is_alive(t.pid)
    assert t.status()["master"]["state"] == "running"
    assert t.tinectl("stop", "--now", timeout=20).returncode == 0


def test_an_attack_from_each_child_at_its_start_leaves_a_master(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("hostile"),
             "do=random", "when=tick", "place=1", ready=False, reports=True)
    t.wait_serving(1)
    t.wait_log(r"child 1 .*ended", 20, count=3)
    cpu = procs.cpu_seconds(t.pid)
    assert cpu < 5
    assert 0 in t.children()
    assert os.path.exists(t.control)
    assert not net.is_refused(t.address())
