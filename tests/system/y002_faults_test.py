# SPDX-License-Identifier: BSD-2-Clause
"""Accept mode dispatch when somebody dies, hangs, or has no more room: what
waits in a hand-off pair is served by whoever comes."""

import os
import signal
import socket

import pytest

import dispatch
import net
import procs
from load import Client, lost, never_happened, target

HTTP = ("http", "text=whole")
# Kills of the acceptor: each may cost the connection that it holds.
KILLS = 20


def asleep(pid):
    return procs.eventually(
        lambda: procs.status_field(pid, "State").startswith("T"), 5, "a stop")


def hold(t, place):
    """Stop the child of this place."""
    pid = t.children()[place]
    os.kill(pid, signal.SIGSTOP)
    asleep(pid)
    return pid


def begin(t, n):
    """n connections that ask who serves them; nobody waits for an answer."""
    opened = []
    for _ in range(n):
        s = t.connect()
        s.sendall(b"x")
        opened.append(s)
    return opened


def answers(opened):
    """The place that answered each."""
    return [int(s.recv(100).split()[1]) for s in opened]


@pytest.mark.load
@pytest.mark.timeout(120)
def test_a_killed_acceptor_costs_at_most_one_connection(tine, stage, folder):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 4, "-a", "dispatch", *HTTP)
    pid = dispatch.wait_acceptor(t)
    with Client(stage, folder, "fresh", target(t.address()), rate=500,
                text="whole") as client:
        for _ in range(KILLS):
            os.kill(pid, signal.SIGKILL)
            pid = dispatch.wait_ready(t, without=pid)
        report = client.finish()
    print(report)
    assert never_happened(report), report
    assert lost(report) <= KILLS
    assert report["answers"] >= report["begun"] - KILLS
    now = t.status()
    assert now["master"]["crashes"] == 0
    assert now["acceptor"]["restarts"] == KILLS


def test_children_accept_by_themselves_while_no_acceptor_lives(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, "-a", "dispatch",
             dispatch.whoami(stage))
    pid = dispatch.wait_acceptor(t)
    os.kill(pid, signal.SIGSTOP)
    t.wait_log(r"acceptor \(pid \d+\): its heart has not beaten")
    taken = dispatch.acceptor(t)["accepted"]
    assert len(answers(begin(t, 30))) == 30
    assert dispatch.acceptor(t)["accepted"] == taken
    os.kill(pid, signal.SIGCONT)
    t.wait_log(r"acceptor \(pid \d+\): its heart beats again")
    assert dispatch.wait_acceptor(t) == pid


def test_what_waits_for_a_killed_child_is_served_by_its_successor(
        tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, "-a", "dispatch",
             dispatch.whoami(stage))
    dispatch.wait_acceptor(t)
    pid = hold(t, 0)
    opened = begin(t, 20)
    procs.eventually(lambda: t.status()["listeners"][0]["queue"] >= 20, 5,
                     "a queue")
    os.kill(pid, signal.SIGKILL)
    assert answers(opened) == [0] * 20


def test_what_waits_for_a_killed_child_is_not_lost_among_siblings(
        tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, "-a", "dispatch",
             dispatch.whoami(stage))
    dispatch.wait_acceptor(t)
    pid = hold(t, 1)
    opened = begin(t, 30)
    os.kill(pid, signal.SIGKILL)
    assert len(answers(opened)) == 30


def test_what_waits_for_a_child_that_hangs_is_served_by_siblings(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, "-a", "dispatch", "-o",
             "timing.suspect=1s", dispatch.whoami(stage))
    dispatch.wait_acceptor(t)
    pid = hold(t, 1)
    opened = begin(t, 30)
    assert set(answers(opened)) == {0, 2}
    os.kill(pid, signal.SIGCONT)
    t.wait_log(r"child 1 \(pid \d+\): its heart beats again")
    procs.eventually(lambda: set(dispatch.places(t, 3)) == {0, 1, 2}, 10,
                     "child 1 among them")


@pytest.mark.parametrize("how", ["round-robin", "least-connections",
                                 "source-hash", "random"])
def test_a_full_pair_means_the_next_child(tine, stage, how):
    """One child stands still for less than `suspect`: its pair fills up, and
    the others serve the rest."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-a", "dispatch", "-b", how,
             "-o", "hang-timeout=60s", "-o", "timing.suspect=50s",
             dispatch.whoami(stage))
    dispatch.wait_acceptor(t)
    home = dispatch.ask(t)[1]
    pid = hold(t, home)
    opened = begin(t, 200)
    procs.eventually(lambda: t.status()["listeners"][0]["queue"] < 64, 10,
                     "the others served")
    procs.eventually(lambda: next(
        c for c in t.status()["children"] if c["place"] != home)
        ["connections"] >= 130, 10, "the other child")
    os.kill(pid, signal.SIGCONT)
    assert len(answers(opened)) == 200


def test_when_all_pairs_are_full_clients_wait_in_the_kernels_queue(
        tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-a", "dispatch", "-o",
             "hang-timeout=60s", "-o", "timing.suspect=50s",
             dispatch.whoami(stage))
    pid = dispatch.wait_acceptor(t)
    stopped = [hold(t, place) for place in range(2)]
    taken = dispatch.acceptor(t)["accepted"]
    opened = begin(t, 300)
    procs.eventually(lambda: t.status()["listeners"][0]["queue"] == 300, 10,
                     "the queues")
    # The pairs took their part, and the acceptor neither spins nor dies.
    procs.eventually(
        lambda: 20 <= dispatch.acceptor(t)["accepted"] - taken <= 100, 5,
        "the pairs full")
    before = procs.cpu_seconds(pid)
    net.wait_seconds(1)
    assert procs.cpu_seconds(pid) - before < 0.2
    # Even its death costs nothing then.
    os.kill(pid, signal.SIGKILL)
    for child in stopped:
        os.kill(child, signal.SIGCONT)
    assert len(answers(opened)) == 300


def test_a_full_child_leaves_its_pair_alone(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-a", "dispatch", "-o",
             "max-connections=5", dispatch.whoami(stage))
    dispatch.wait_acceptor(t)
    first = begin(t, 10)
    assert len(answers(first)) == 10
    later = begin(t, 10)
    procs.eventually(lambda: t.status()["listeners"][0]["queue"] == 10, 5,
                     "the queue")
    assert [c["connections"] for c in t.status()["children"]] == [5, 5]
    for s in first:
        s.close()
    assert len(answers(later)) == 10


def test_a_child_without_descriptors_loses_no_connection(tine, stage):
    """The handler eats them up: a connection that finds no room would be gone
    with its record."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-a", "dispatch", "-o",
             "max-connections=100000", "http", f"root={stage.build}",
             limit=200)
    dispatch.wait_acceptor(t)
    opened = [t.connect() for _ in range(500)]
    for s in opened:
        s.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n"
                  b"Connection: close\r\n\r\n")
    for s in opened:
        assert s.recv(100).startswith(b"HTTP/1.1 404")
        s.close()


def test_a_kill_of_everybody_loses_only_what_they_held(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, "-a", "dispatch",
             dispatch.whoami(stage))
    pid = dispatch.wait_acceptor(t)
    victims = [hold(t, place) for place in range(3)]
    opened = begin(t, 60)
    for victim in (pid, *victims):
        os.kill(victim, signal.SIGKILL)
    assert len(answers(opened)) == 60
    dispatch.wait_acceptor(t, without=pid)


def test_a_stop_serves_what_waits(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-a", "dispatch",
             dispatch.whoami(stage))
    dispatch.wait_acceptor(t)
    stopped = [hold(t, place) for place in range(2)]
    opened = begin(t, 20)
    procs.eventually(lambda: t.status()["listeners"][0]["queue"] >= 20, 5,
                     "a queue")
    t.signal(signal.SIGTERM)
    t.wait_log("stopping")
    for child in stopped:
        os.kill(child, signal.SIGCONT)
    assert len(answers(opened)) == 20
    for s in opened:
        s.close()
    assert t.wait() == 0


def test_at_the_death_of_the_master_what_was_handed_over_is_served(
        tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, "-a", "dispatch",
             dispatch.whoami(stage), leaves=True)
    dispatch.wait_acceptor(t)
    address = t.address()
    taken = dispatch.acceptor(t)["accepted"]
    stopped = [hold(t, place) for place in range(2)]
    opened = begin(t, 10)
    procs.eventually(lambda: dispatch.acceptor(t)["accepted"] == taken + 10,
                     5, "ten handed over")
    t.kill()
    for child in stopped:
        os.kill(child, signal.SIGCONT)
    assert len(answers(opened)) == 10

    def is_free():
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(address)
            except OSError:
                return False
            return True
    procs.eventually(is_free, 10, "the address")
