# SPDX-License-Identifier: BSD-2-Clause
"""`processes: MIN:MAX`, and the number that the operator chooses."""

import os
import signal
import threading

import pytest

import net
import procs

LISTEN = ("-l", "tcp://127.0.0.1:0")
QUICK = ("-o", "timing.prove=0", "-o", "timing.commit=0")


def processes(t):
    return t.status()["master"]["processes"]


def wait_processes(t, n, timeout=20):
    procs.eventually(lambda: processes(t) == n, timeout, f"{n} places")
    t.wait_children(n, timeout=timeout)


def echoes(t):
    for _ in range(10):
        with t.connect() as s:
            s.sendall(b"x")
            assert net.recv_exact(s, 1) == b"x"


@pytest.mark.slow
def test_children_that_are_kept_busy_get_company(tine, stage):
    t = tine(*LISTEN, "-n", "1:3", stage.handler("sleeper"), "seconds=1")
    assert t.ready == 1
    s = t.connect(timeout=60)
    over = threading.Event()

    def keep_busy():
        while not over.is_set():
            s.sendall(b"x")
            net.recv_exact(s, 1)

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        t.wait_log("autoscale: 2 of 1 to 3 children: loop lag", 50)
        wait_processes(t, 2)
    finally:
        over.set()
        busy.join()
    assert t.status()["master"]["min_accepting"] >= 1
    assert t.status()["master"]["accept"] == "reuseport"


def test_a_range_begins_with_its_minimum(tine):
    t = tine(*LISTEN, "-n", "2:5", "echo")
    assert t.ready == 2 and processes(t) == 2


def test_the_operators_number_may_be_outside_and_auto_brings_it_back(tine):
    t = tine(*LISTEN, "-n", "2:3", "echo")
    assert t.tinectl("scale", "5").returncode == 0
    wait_processes(t, 5)
    net.wait_seconds(2)
    assert processes(t) == 5
    assert t.tinectl("scale", "auto").returncode == 0
    wait_processes(t, 3)
    echoes(t)


def test_a_reload_that_changes_the_range_is_followed(tine, folder):
    path = os.path.join(folder, "tine.yaml")

    def write(processes):
        with open(path, "w", encoding="ascii") as f:
            f.write(f"processes: {processes}\nservers:\n"
                    '  - listen: "tcp://127.0.0.1:0"\n    handler: echo\n')

    write("1:3")
    t = tine("-c", path, *QUICK)
    assert t.ready == 1
    for said, n in (("2:4", 2), ("4:6", 4), ("1:3", 3), ("2", 2)):
        write(said)
        assert t.tinectl("reload").returncode == 0
        wait_processes(t, n)
        echoes(t)
    assert t.tinectl("scale", "4").returncode == 0
    assert t.tinectl("reload").returncode == 0
    assert processes(t) == 4
    write("1:2")
    assert t.tinectl("reload").returncode == 0
    wait_processes(t, 2)


def test_ttin_and_ttou_add_and_remove_a_child(tine):
    t = tine(*LISTEN, "-n", "2", "echo")
    t.signal(signal.SIGTTIN)
    wait_processes(t, 3)
    t.signal(signal.SIGTTOU)
    wait_processes(t, 2)
    t.signal(signal.SIGTTOU)
    wait_processes(t, 1)
    first = t.log_length()
    t.signal(signal.SIGTTOU)
    t.wait_log("signal TTOU", first=first)
    t.signal(signal.SIGTTIN)
    wait_processes(t, 2)
    echoes(t)
    assert t.status()["master"]["crashes"] == 0


def test_signals_that_come_at_once_are_all_counted(tine):
    t = tine(*LISTEN, "-n", "1", "echo")
    for i in range(3):
        first = t.log_length()
        t.signal(signal.SIGTTIN)
        t.wait_log("signal TTIN", first=first)
        assert i < 3
    wait_processes(t, 4)


@pytest.mark.parametrize("said", ["0", "1025", "+1023", "many"])
def test_a_number_that_cannot_be_is_refused(tine, said):
    t = tine(*LISTEN, "-n", "2", "echo")
    done = t.tinectl("scale", said)
    assert done.returncode == 64
    assert "1 to 1024 children, +1, -1 or auto" in done.stderr
    assert processes(t) == 2


def test_the_last_child_stays(tine):
    t = tine(*LISTEN, "-n", "1", "echo")
    done = t.tinectl("scale", "-1")
    assert done.returncode == 1
    assert "scale -1: that makes 0 children, and 1 to 1024" in done.stderr
    assert processes(t) == 1
