# SPDX-License-Identifier: BSD-2-Clause
"""One CPU for each place, kept by whoever is in it."""

import os
import signal

import pytest

import procs
from reload import QUICK, Site

CPUS = sorted(os.sched_getaffinity(0))
LISTEN = ("-l", "tcp://127.0.0.1:0")
FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0")
TWO = pytest.mark.skipif(len(CPUS) < 2, reason="one CPU only")


def cpus_of(pid):
    return procs.status_field(pid, "Cpus_allowed_list")


def show(cpus):
    """As the kernel prints a set of CPUs."""
    parts, rest = [], sorted(cpus)
    while rest:
        n = 1
        while n < len(rest) and rest[n] == rest[0] + n:
            n += 1
        parts.append(f"{rest[0]}" if n == 1 else f"{rest[0]}-{rest[n - 1]}")
        rest = rest[n:]
    return ",".join(parts)


def assert_bound(t, cpus):
    """Each child to the CPU of its place, and status says so."""
    for c in t.status()["children"]:
        if c["state"] == "draining":
            continue  # it may be gone before it is looked at
        wanted = cpus[c["place"] % len(cpus)]
        assert cpus_of(c["pid"]) == str(wanted)
        assert c["cpu"] == wanted
    assert cpus_of(t.pid) == show(CPUS)


def test_without_it_children_run_anywhere(tine):
    t = tine(*LISTEN, "-n", 2, "echo")
    for c in t.status()["children"]:
        assert cpus_of(c["pid"]) == show(CPUS)
        assert c["cpu"] is None


def test_each_place_has_its_own_in_turn_and_successors_keep_it(tine):
    t = tine(*LISTEN, "-n", 4, "-o", "cpu-affinity=auto", *FAST, "echo")
    assert_bound(t, CPUS)
    pid = t.children()[1]
    os.kill(pid, signal.SIGKILL)
    t.wait_children(4, without={pid})
    assert_bound(t, CPUS)
    for number in (6, 3):
        assert t.tinectl("scale", number).returncode == 0
        t.wait_children(number)
        assert_bound(t, CPUS)
    old = set(t.children().values())
    assert t.tinectl("reload").returncode == 0
    t.wait_children(3, without=old)
    assert_bound(t, CPUS)
    pid = t.children()[2]
    assert t.tinectl("drain", 2).returncode == 0
    t.wait_children(3, without={pid})
    assert_bound(t, CPUS)


@TWO
def test_a_list_is_taken_in_its_order(tine):
    order = [CPUS[1], CPUS[0]]
    t = tine(*LISTEN, "-n", 3, "-o", f"cpu-affinity={order[0]},{order[1]}",
             "echo")
    assert_bound(t, order)


def test_a_reload_changes_it_for_those_that_come(tine, stage, folder):
    def conf(said):
        return QUICK + (f"processes: 2\ncpu-affinity: {said}\nservers:\n"
                        "  - { listen: [ \"127.0.0.1:0\" ], handler: echo }\n")

    def reload(said):
        old = set(site.tine.children().values())
        site.reload(conf(said))
        site.tine.wait_children(2, without=old)

    site = Site(tine, stage, folder, conf("none"))
    reload(f"[ {CPUS[-1]} ]")
    assert_bound(site.tine, [CPUS[-1]])
    reload("none")
    for pid in site.tine.children().values():
        assert cpus_of(pid) == show(CPUS)


def test_the_admin_child_is_not_bound(tine):
    t = tine(*LISTEN, "-n", 2, "-A", "tcp://127.0.0.1:0", "-o",
             "cpu-affinity=auto", "echo")
    assert_bound(t, CPUS)
    assert cpus_of(t.status()["admin"]["pid"]) == show(CPUS)


def test_cpus_that_cannot_be_used_are_refused_and_those_that_can_named(
        run_tine):
    absent = next(n for n in range(1023, -1, -1) if n not in CPUS)
    done = run_tine(*LISTEN, "-o", f"cpu-affinity={CPUS[0]},{absent}", "echo")
    assert done.returncode == 78
    assert f"cpu-affinity: CPU {absent} cannot be used here" in done.stderr
    assert "hint: those that can: " \
        + show(CPUS).replace(",", ", ") in done.stderr


def test_the_dump_shows_it(run_tine):
    done = run_tine("-T", "-o", f"cpu-affinity={CPUS[0]}", *LISTEN, "echo")
    assert f'\ncpu-affinity: "{CPUS[0]}"\n' in done.stdout \
        or f"\ncpu-affinity: {CPUS[0]}\n" in done.stdout
