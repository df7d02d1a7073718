# SPDX-License-Identifier: BSD-2-Clause
"""tinectl drain PLACE: one child is replaced, and nobody notices."""

import shutil
import signal
import subprocess

import pytest

import net
import procs


def test_drain_returns_when_the_new_child_serves_and_the_old_has_left(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    old = t.children()
    done = t.tinectl("drain", 1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not procs.is_alive(old[1])
    new = t.children()
    assert new[1] != old[1]
    assert (new[0], new[2]) == (old[0], old[2])
    master = t.status()["master"]
    assert (master["crashes"], master["min_accepting"]) == (0, 3)


def test_a_connection_of_the_old_child_lives_until_it_ends_by_itself(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    held = t.connect()
    held.sendall(b"before")
    assert net.recv_exact(held, 6) == b"before"
    old = t.children()[0]
    drain = subprocess.Popen(
        [t.stage.tinectl, "-C", t.control, "drain", "0"])
    try:
        procs.eventually(lambda: t.children("draining") == {0: old})
        with t.connect() as new:
            new.sendall(b"new")
            assert net.recv_exact(new, 3) == b"new"
        held.sendall(b"after")
        assert net.recv_exact(held, 5) == b"after"
        assert drain.poll() is None
        held.close()
        assert drain.wait(10) == 0
    finally:
        drain.kill()
        drain.wait()
    assert t.log("child 0: draining, connections open: 1: operator")


def test_what_does_not_leave_is_cut_at_the_drain_timeout(tine):
    t = tine("-o", "drain-timeout=1s", "-l", "tcp://127.0.0.1:0", "-n", "1",
             "echo")
    held = t.connect()
    held.sendall(b"x")
    assert net.recv_exact(held, 1) == b"x"
    done = t.tinectl("drain", 0)
    assert done.returncode == 0, done.stderr
    assert held.recv(1) == b""


def test_drain_fails_and_the_old_child_goes_on_when_none_can_follow(
        tine, stage, folder):
    module = f"{folder}/upper.so"
    shutil.copy(stage.example("http_hello"), module)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", module, reports=True)
    old = t.children()
    # What is mapped stays; what is loaded next is another file.
    shutil.copy(stage.handler("crash_start"), f"{folder}/new.so")
    shutil.move(f"{folder}/new.so", module)
    done = t.tinectl("drain", 0)
    assert done.returncode == 1
    assert "tinectl: no new child 0 became ready: " in done.stderr
    assert f"the old one (pid {old[0]}) goes on" in done.stderr
    assert t.wait_children(2) == old


def test_the_next_drain_works_when_the_last_failed(tine, stage, folder):
    module = f"{folder}/handler.so"
    shutil.copy(stage.example("http_hello"), module)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", module, reports=True)
    for handler, code in ((stage.handler("crash_start"), 1),
                          (stage.example("http_hello"), 0)):
        shutil.copy(handler, f"{folder}/new.so")
        shutil.move(f"{folder}/new.so", module)
        assert t.tinectl("drain", 0).returncode == code


def test_all_children_in_turn_cost_no_connection(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    asked = 0
    for place in (0, 1, 0, 1):
        drain = subprocess.Popen(
            [t.stage.tinectl, "-C", t.control, "drain", str(place)])
        try:
            while drain.poll() is None or asked % 20:
                with t.connect() as s:
                    s.sendall(b"x")
                    assert net.recv_exact(s, 1) == b"x"
                asked += 1
        finally:
            drain.wait(30)
        assert drain.returncode == 0
    assert t.status()["master"]["min_accepting"] == 2


def test_drain_gives_up_when_the_server_stops(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    held = t.connect()
    held.sendall(b"x")
    assert net.recv_exact(held, 1) == b"x"
    with subprocess.Popen([t.stage.tinectl, "-C", t.control, "drain", "0"],
                          stderr=subprocess.PIPE, text=True) as drain:
        procs.eventually(lambda: t.children("draining"))
        t.signal(signal.SIGTERM)
        _, said = drain.communicate(timeout=10)
    assert drain.returncode == 1
    assert "the server is stopping" in said


@pytest.mark.parametrize("place, code", [("2", 1), ("1024", 64), ("x", 64)])
def test_a_place_that_does_not_exist_is_an_error(tine, place, code):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    before = t.children()
    done = t.tinectl("drain", place)
    assert done.returncode == code
    assert "place" in done.stderr
    assert t.children() == before
