# SPDX-License-Identifier: BSD-2-Clause
"""Accept mode dispatch: an acceptor takes the connections, and each balancer
spreads them as its name says."""

from collections import Counter

import pytest

import dispatch
import procs

N = 4


def start(tine, stage, *args, **options):
    t = tine("-n", N, *args, dispatch.whoami(stage), **options)
    dispatch.wait_acceptor(t)
    return t


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:0", "tcp://:0",
                                 "unix://socket"])
def test_round_robin_gives_each_child_its_turn(tine, stage, url):
    t = start(tine, stage, "-l", url, "-a", "dispatch", "-b", "round-robin")
    seen = dispatch.places(t, 10 * N)
    assert all(seen[i] == (seen[0] + i) % N for i in range(len(seen))), seen


def test_dispatch_without_a_balance_is_round_robin(tine, stage):
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-a", "dispatch")
    assert Counter(dispatch.places(t, 5 * N)) == {i: 5 for i in range(N)}


@pytest.mark.parametrize("how", ["round-robin", "least-connections"])
def test_a_balance_that_only_an_acceptor_has_brings_one(tine, stage, how):
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-b", how)
    assert t.status()["master"]["accept"] == "dispatch"


def test_each_listener_has_its_own_turns(tine, stage):
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-l", "unix://socket",
              "-a", "dispatch")
    for _ in range(2 * N):
        dispatch.ask(t, i=0)
        dispatch.ask(t, i=1)
    for i in range(2):
        assert Counter(dispatch.places(t, 2 * N, i=i)) == \
            {place: 2 for place in range(N)}


def test_least_connections_evens_out_a_skew(tine, stage):
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-b",
              "least-connections")
    held = [dispatch.ask(t) for _ in range(8 * N)]
    assert Counter(place for _, place in held) == {i: 8 for i in range(N)}
    # All clients of two children go: the next ones find their places.
    for s, place in held:
        if place < 2:
            s.close()

    def even():
        now = {c["place"]: c["connections"] for c in t.status()["children"]}
        return now == {0: 0, 1: 0, 2: 8, 3: 8}
    procs.eventually(even, 10, "the skew")
    assert Counter(dispatch.places(t, 12)) == {0: 6, 1: 6}
    assert set(dispatch.places(t, 4)) == {0, 1}
    assert Counter(dispatch.places(t, N)) == {i: 1 for i in range(N)}


def test_least_connections_counts_what_is_under_way(tine, stage):
    """Connections that come at once, before any child has counted one."""
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-b",
              "least-connections")
    opened = [t.connect() for _ in range(16 * N)]
    for s in opened:
        s.sendall(b"x")
    seen = Counter(int(s.recv(100).split()[1]) for s in opened)
    # A child that is just counting one may be seen half-way.
    assert all(14 <= seen[i] <= 18 for i in range(N)), seen


def test_a_new_child_gets_the_next_clients_by_least_connections(tine, stage):
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-b",
              "least-connections")
    dispatch.places(t, 4 * N)
    assert t.tinectl("kill", "1").returncode == 0
    t.wait_children(N)
    assert dispatch.places(t, 4) == [1] * 4


@pytest.mark.parametrize("url, count", [("tcp://:0", N), ("tcp4://:0", N)])
def test_source_hash_keeps_a_client_at_its_child(tine, stage, url, count):
    t = start(tine, stage, "-l", url, "-a", "dispatch", "-b", "source-hash")
    homes = {}
    for last in range(1, 41):
        source = f"127.0.0.{last}"
        seen = set(dispatch.places(t, 3, source))
        assert len(seen) == 1, (source, seen)
        homes[source] = seen.pop()
    assert len(set(homes.values())) == count
    # One child more takes its share, and moves nobody between the others.
    assert t.tinectl("scale", N + 1).returncode == 0
    for source, home in homes.items():
        assert dispatch.ask(t, source)[1] in (home, N)


def test_clients_of_a_unix_socket_have_no_source_and_take_turns(tine, stage):
    t = start(tine, stage, "-l", "unix://socket", "-a", "dispatch", "-b",
              "source-hash")
    assert Counter(dispatch.places(t, 4 * N)) == {i: 4 for i in range(N)}


def test_random_is_roughly_even_and_in_no_order(tine, stage):
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-a", "dispatch", "-b",
              "random")
    seen = dispatch.places(t, 400)
    counts = Counter(seen)
    # The share of one is 100 with a standard deviation of 9.
    assert all(50 < counts[i] < 150 for i in range(N)), counts
    turns = sum(b == (a + 1) % N for a, b in zip(seen, seen[1:]))
    assert turns < 200


def test_a_reload_changes_the_balance(tine, stage, folder):
    path = f"{folder}/t.yaml"

    def write(how):
        with open(path, "w", encoding="ascii") as f:
            f.write(f"""processes: {N}
accept: dispatch
balance: {how}
timing: {{ prove: 0, commit: 0 }}
servers:
  - listen: [ "tcp://127.0.0.1:0" ]
    handler: {dispatch.whoami(stage)}
""")
    write("source-hash")
    t = tine("-c", path)
    old = dispatch.wait_acceptor(t)
    assert len(set(dispatch.places(t, 10))) == 1
    write("round-robin")
    assert t.tinectl("reload").returncode == 0
    dispatch.wait_acceptor(t, without=old)
    assert Counter(dispatch.places(t, 2 * N)) == {i: 2 for i in range(N)}


def test_a_reload_cannot_take_the_acceptor_away(tine, stage, folder):
    path = f"{folder}/t.yaml"

    def write(accept):
        with open(path, "w", encoding="ascii") as f:
            f.write(f"accept: {accept}\nprocesses: 2\nservers:\n"
                    f"  - listen: [ \"tcp://127.0.0.1:0\" ]\n"
                    f"    handler: {dispatch.whoami(stage)}\n")
    write("dispatch")
    t = tine("-c", path)
    pid = dispatch.wait_acceptor(t)
    for mode in ("shared", "reuseport", "auto"):
        write(mode)
        done = t.tinectl("reload")
        assert done.returncode == 1
        assert "cannot change at a reload" in done.stderr
    assert dispatch.acceptor(t)["pid"] == pid
    dispatch.places(t, 4)


def test_reuseport_in_the_url_wins_over_dispatch(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0?reuseport=true", "-n", 2, "-a",
             "dispatch", dispatch.whoami(stage))
    assert dispatch.acceptor(t) is None
    assert t.status()["listeners"][0]["slots"] == 2


def test_a_single_process_dispatches_to_nobody(tine, stage):
    t = tine("-X", "-l", "tcp://127.0.0.1:0", "-a", "dispatch",
             dispatch.whoami(stage))
    assert dispatch.ask(t)[1] == 0


def test_what_people_see_of_the_acceptor(tine, stage):
    t = start(tine, stage, "-l", "tcp://127.0.0.1:0", "-a", "dispatch")
    a = dispatch.acceptor(t)
    assert procs.title(a["pid"]).startswith("tine: acceptor")
    assert len(t.status()["children"]) == N
    text = t.tinectl("status").stdout
    assert f"acceptor pid {a['pid']}, ready" in text
    assert "accept dispatch" in text
    metrics = t.tinectl("metrics").stdout
    assert "\ntine_acceptors 1\n" in metrics
    assert "\ntine_acceptor_restarts_total 0\n" in metrics
