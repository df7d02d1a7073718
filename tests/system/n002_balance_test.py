# SPDX-License-Identifier: BSD-2-Clause
"""Who gets a new connection: by the client's address, or at random."""

import collections
import os
import signal
import socket

import pytest

import net
import procs
import upgrade
from load import Client, target
from reload import QUICK, Site, ask_whoami, master

LISTEN = ("-l", "tcp://127.0.0.1:0")
NSOURCES = 40
CONF = """
processes: 4
balance: {balance}
servers:
  - listen: [ "tcp://127.0.0.1:0" ]
    handler: {handler}
"""


def ask_from(t, source, host="127.0.0.1"):
    """The place that serves a client of this address."""
    with socket.create_connection((host, t.port()), 10, (source, 0)) as s:
        return int(net.recv_line(s).split()[1])


def places(t, host="127.0.0.1"):
    """Address of a client: its place."""
    sources = [f"127.0.0.{i + 1}" for i in range(NSOURCES)]
    return {source: ask_from(t, source, host) for source in sources}


# Siblings that served a slot may do so until they have heard that it has its
# own child again.

def settled(t):
    """The same, when it has not changed for a while."""
    rounds = [places(t) for _ in range(3)]
    procs.eventually(lambda: rounds[-3] == rounds[-2] == rounds[-1] or
                     rounds.append(places(t)), 10)
    return rounds[-1]


def settles(t, wanted):
    procs.eventually(lambda: places(t) == wanted, 10)


def scale(t, to):
    done = t.tinectl("scale", to)
    assert done.returncode == 0, done.stderr


def replaced(t, before, n):
    return t.wait_children(n, without=before, timeout=20)


@pytest.fixture(name="sticky")
def _sticky(tine, stage):
    return tine(*LISTEN, "-n", 4, "-b", "source-hash", *upgrade.QUICK,
                stage.handler("whoami"))


def test_a_client_comes_to_the_same_place_from_any_port(sticky):
    first = settled(sticky)
    assert set(first.values()) == {0, 1, 2, 3}
    for _ in range(3):
        assert places(sticky) == first


def test_it_stays_there_after_a_reload_and_an_upgrade(sticky):
    first = settled(sticky)
    old = set(sticky.children().values())
    assert sticky.tinectl("reload").returncode == 0
    now = set(replaced(sticky, old, 4).values())
    settles(sticky, first)
    upgrade.good(sticky)
    replaced(sticky, old | now, 4)
    settles(sticky, first)


def test_it_stays_there_after_a_crash_of_any_child(sticky):
    first = settled(sticky)
    for place in range(4):
        pid = sticky.children()[place]
        os.kill(pid, signal.SIGKILL)
        replaced(sticky, {pid}, 4)
        settles(sticky, first)


@pytest.mark.parametrize("other", [6, 2, 1])
def test_it_comes_back_when_there_are_as_many_places_again(sticky, other):
    first = settled(sticky)
    scale(sticky, other)
    then = places(sticky)
    assert set(then.values()) <= set(range(other))
    settles(sticky, then)
    scale(sticky, 4)
    settles(sticky, first)


def test_one_child_that_becomes_four_spreads_them_as_four_do(
        tine, stage, sticky):
    t = tine(*LISTEN, "-n", 1, "-b", "source-hash", stage.handler("whoami"))
    scale(t, 4)
    settles(t, settled(sticky))


def test_one_socket_for_both_families_knows_both(tine, stage, sticky):
    t = tine("-l", "tcp://:0", "-n", 4, "-b", "source-hash",
             stage.handler("whoami"))
    settles(t, settled(sticky))
    try:
        six = ask_from(t, "::1", "::1")
    except OSError as e:
        pytest.skip(f"no IPv6: {e}")
    assert {ask_from(t, "::1", "::1") for _ in range(20)} == {six}


def test_dice_bring_a_client_everywhere_about_as_often(tine, stage):
    t = tine(*LISTEN, "-n", 4, "-a", "reuseport", "-b", "random",
             stage.handler("whoami"))
    got = collections.Counter(ask_from(t, "127.0.0.1") for _ in range(400))
    # 100 each, with a standard deviation of 9.
    assert set(got) == {0, 1, 2, 3} and min(got.values()) > 40, got
    scale(t, 2)
    got = collections.Counter(ask_from(t, "127.0.0.1") for _ in range(100))
    assert set(got) == {0, 1} and min(got.values()) > 10, got


@pytest.mark.parametrize("balance", ["source-hash", "random"])
def test_nobody_is_lost_while_places_come_and_go(tine, stage, folder, balance):
    t = tine(*LISTEN, "-n", 3, "-b", balance, *upgrade.QUICK, "echo")
    with Client(stage, folder, "echo", target(t.address()), rate=200,
                bytes=5, pace=1000) as client:
        for number in (5, 2, 4):
            scale(t, number)
            pid = t.children()[0]
            assert t.tinectl("drain", 0).returncode == 0
            replaced(t, {pid}, number)
        assert t.tinectl("reload").returncode == 0
        upgrade.good(t)
        report = client.finish()
    assert not any(report["failures"].values()), report


def test_a_reload_changes_it_and_changes_it_back(tine, stage, folder):
    handler = stage.handler("whoami")

    def conf(balance):
        return QUICK + CONF.format(balance=balance, handler=handler)

    site = Site(tine, stage, folder, conf("kernel"))
    t = site.tine
    assert len({ask_from(t, "127.0.0.1") for _ in range(100)}) == 4
    site.reload(conf("source-hash"))
    assert len({ask_from(t, "127.0.0.1") for _ in range(50)}) == 1
    settled(t)
    site.reload(conf("kernel"))
    assert len({ask_from(t, "127.0.0.1") for _ in range(100)}) == 4
    assert not t.log("security|steering")
    assert master(t)["rollbacks"] == 0


def test_a_program_that_a_child_puts_in_its_stead_does_not_last(tine, stage):
    t = tine(*LISTEN, "-n", 4, "-b", "random", stage.handler("hostile"),
             "do=steer")
    with t.connect() as s:
        s.sendall(b"go\n")

    def all_accept():
        for _ in range(16):
            t.connect().sendall(b"x")
        return len([c for c in t.status()["children"] if c["accepted"] > 1])

    procs.eventually(lambda: all_accept() == 4, 10)


def test_where_it_cannot_be_had_a_warning_says_so(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0?reuseport=true", "-n", 2, "-b", "random",
             stage.handler("whoami"))
    t.wait_log(r"balance: random: not for tcp://127\.0\.0\.1:\d+: other "
               r"servers may share its port")
    assert {ask_whoami(t)[1] for _ in range(100)} == {0, 1}


def test_a_pair_that_does_not_go_together_is_78(run_tine):
    done = run_tine(*LISTEN, "-a", "shared", "-b", "random", "echo")
    assert done.returncode == 78
    assert "with accept: shared it is kernel" in done.stderr


# ---- datagrams ----

def bytes_in(t):
    return {c["place"]: c["bytes_in"] for c in t.status()["children"]}


def send_from(t, source):
    """A packet from a port of its own, and its answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.bind((source, 0))
        s.sendto(b"packet", t.address())
        assert s.recv(16) == b"packet"


def place_of_packets(t, source, n=5):
    """The places that n packets of this client came to."""
    before = bytes_in(t)
    for _ in range(n):
        send_from(t, source)

    def counted():
        now = bytes_in(t)
        got = {p: now[p] - before[p] for p in now if now[p] > before[p]}
        return got if sum(got.values()) == n * len(b"packet") else None

    return set(procs.eventually(counted, 10))


def test_packets_of_a_client_come_to_one_place(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 4, "-b", "source-hash",
             *upgrade.QUICK, "echo")
    sources = [f"127.0.0.{i}" for i in range(1, 9)]
    first = {s: place_of_packets(t, s) for s in sources}
    assert all(len(places) == 1 for places in first.values()), first
    assert len(set().union(*first.values())) > 1
    scale(t, 2)
    scale(t, 4)
    old = set(t.children().values())
    assert t.tinectl("reload").returncode == 0
    replaced(t, old, 4)
    procs.eventually(
        lambda: {s: place_of_packets(t, s) for s in sources} == first, 10)


def test_dice_bring_packets_of_a_client_everywhere(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 4, "-b", "random", "echo")
    assert place_of_packets(t, "127.0.0.1", 100) == {0, 1, 2, 3}
    assert not t.log("security|steering")
