# SPDX-License-Identifier: BSD-2-Clause
"""The driver of the chaos runs: the same seed gives the same order, a loss is
laid at the right door, and a run that lost something says so."""

import os
import subprocess
import sys

import pytest

import procs

HERE = os.path.dirname(os.path.abspath(__file__))
CHAOS = os.path.join(os.path.dirname(HERE), "chaos")
sys.path.insert(0, CHAOS)

import deck  # noqa: E402
import held  # noqa: E402
import soak  # noqa: E402
import verdict  # noqa: E402
from scene import Scene  # noqa: E402

needs_root = pytest.mark.skipif(os.getuid() != 0,
                                reason="only root sees what a child holds")


def dry_run(*args):
    done = subprocess.run(
        [os.path.join(CHAOS, "chaos.py"), "--dry-run", *args], check=True,
        capture_output=True, text=True)
    return done.stdout.splitlines()


def test_the_same_seed_gives_the_same_order_with_the_same_details():
    first = dry_run("--seed", "7")
    assert first == dry_run("--seed", "7")
    assert first != dry_run("--seed", "8")
    assert sorted(line.split()[0] for line in first) == \
        sorted(line.split()[0] for line in dry_run("--seed", "8"))


def test_one_round_of_everything_has_what_the_test_run_promises():
    lines = dry_run("--seed", "3")
    counts = {name: sum(line.split()[0] == name for line in lines)
              for name in deck.DECKS["all"]}
    assert counts["reload"] >= 60
    assert counts["kill"] >= 60
    assert counts["scale"] >= 20
    assert counts["upgrade"] >= 10
    assert counts["hang"] == 1
    for name, kinds in (("bad_reload", deck.BAD_RELOADS),
                        ("broken_upgrade", deck.BROKEN_UPGRADES)):
        got = {line for line in lines if line.startswith(name)}
        assert got == {f"{name} kind={kind}" for kind in kinds}


def test_rounds_differ():
    lines = dry_run("--seed", "3", "--mix", "scale", "--rounds", "2")
    half = len(lines) // 2
    assert lines[:half] != lines[half:]


class Dead:
    """A victim with what it held."""

    owns = held.Victim.owns
    may_cost = held.Victim.may_cost

    def __init__(self, stopped_ns, ids, most=None):
        self.stopped_ns = self.still_ns = stopped_ns
        self.held = set(ids)
        self.most = most
        self.hung = False


def failure(name, begun, at):
    return {"id": name, "begun": begun, "at": at}


def test_a_victim_answers_for_what_it_held_when_it_was_stopped():
    victim = Dead(100, [7])
    assert victim.owns(failure(7, 50, 150))
    assert not victim.owns(failure(8, 50, 150))
    # The same port again, after its death.
    assert not victim.owns(failure(7, 120, 150))
    assert not victim.owns(failure(7, 50, 90))


class Lost(Scene):
    """A run with these victims and failures."""

    def __init__(self, victims, failures, samples=()):
        self.victims = victims
        self.stops = []
        self.swarm = self
        self.failures = lambda: failures
        self.samples = lambda kind: samples


@pytest.mark.parametrize("most, lost", [(None, 0), (1, 2)])
def test_the_death_of_an_acceptor_excuses_one_loss_only(most, lost):
    failures = [failure(i, 50, 150) | {"failure": "eof", "kind": "fresh",
                                       "received": 0, "client": "fresh"}
                for i in range(3)]
    scene = Lost([Dead(100, range(3), most)], failures)
    assert len(scene.divide_failures()[0]) == lost
    assert len(scene.divide_failures()[0]) == lost


MS = 1_000_000


@pytest.mark.parametrize("waited_ms, lost", [(1, 10), (100, 4)])
def test_a_victim_answers_for_one_batch_of_what_was_sent_just_before(
        waited_ms, lost):
    """As long before as others waited then."""
    failures = [failure(i, 1000 * MS - ms * MS, 6000 * MS) |
                {"failure": "timeout", "kind": "packets"}
                for i, ms in enumerate([40] * 10 + [80] * 9 + [200])]
    samples = [(800 * MS, waited_ms * MS, 0)]
    scene = Lost([Dead(1000 * MS, [])], failures, samples)
    assert len(scene.divide_failures()[0]) == lost


def killed(queued_ms, p90_ms, p50_ms):
    """The row of kills, with so many queued that they count."""
    event = dict(verdict.NONE, good=9, seconds=[0.1], queued_ms=queued_ms * 50,
                 pause_ms=[1], p90_ms=[p90_ms], p50_ms=p50_ms)
    return verdict.event_row("kill", event, 9, verdict.LOOSE)


@pytest.mark.parametrize("queued_ms, p90_ms, p50_ms, ok", [
    ([5, 40], 3, [0.5, 0.4], True),
    ([5, 60], 3, [0.5, 0.4], False),
    ([5, 270], 35, [0.5, 0.4], True),     # a machine with other things to do
    ([5, 40], 3, [7, 0.5], True),         # that began after the quiet seconds
    ([5, 40], 3, [15, 0.5], False),
])
def test_who_waits_is_judged_by_how_long_others_wait(
        queued_ms, p90_ms, p50_ms, ok):
    assert killed(queued_ms, p90_ms, p50_ms).ok is ok


@needs_root
def test_what_a_child_holds_is_found(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://socket", "-n", "1",
             "echo")
    (pid,) = t.children().values()
    conns = [t.connect(i) for i in (0, 0, 1)]
    for s in conns:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    names = {s.getsockname()[1] for s in conns[:2]}
    names.add(os.fstat(conns[2].fileno()).st_ino)
    victim = held.Victim(pid, t.pid, [t.port()])
    assert victim.held == names
    assert victim.queued == set()
    # Whoever comes now waits in the queue, and is nobody's.
    late = t.connect()
    procs.eventually(lambda: late.getsockname()[1] in look(victim, t).queued,
                     5, "the connection is queued")
    assert victim.held == names
    victim.kill()
    victim.wait_gone(5)
    victim.close()
    late.sendall(b"y")
    assert late.recv(1) == b"y"


def look(victim, t):
    victim._look([t.port()])
    return victim


@needs_root
def test_only_a_child_of_this_master_is_a_victim(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    with pytest.raises(ProcessLookupError):
        held.Victim(os.getpid(), t.pid)


def test_the_last_line_counts_rows_that_were_judged():
    rows = [verdict.Row("a", 1, 1, "", True), verdict.Row("b", 1, 1, "", None),
            verdict.Row("c", 0, 1, "lost", False)]
    assert verdict.closing(rows) == "1 passed, 1 failed"
    lines = verdict.table(rows).splitlines()
    assert lines[0].split() == ["event", "how", "many", "target", "measured",
                                "ok"]
    assert len(lines) == 4


def run(*args):
    return subprocess.run(
        [os.path.join(CHAOS, "chaos.py"), *args], check=False,
        capture_output=True, text=True, timeout=120)


@needs_root
@pytest.mark.load
@pytest.mark.slow
@pytest.mark.timeout(150)
def test_kills_cost_only_what_the_victims_held(stage):
    # A few seconds; a machine that has other things to do takes longer.
    done = run("--mix", "kill", "--seconds", "80", "--pause", "0.02",
               "--build", stage.build)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith(" 0 failed")
    (row,) = [line for line in done.stdout.splitlines()
              if line.startswith("kill  ")]
    assert "0 lost" in row


# ---- the soak ----

def slice_of(good, lost=(), wrong=()):
    """What chaos.py writes of a slice of reloads."""
    event = dict(verdict.NONE, good=good, seconds=[0.1] * good,
                 above=[0] * good, wrong=list(wrong))
    return {"events": {"reload": event}, "lost": list(lost), "wrong": [],
            "clients": {"fresh-unix": {"kind": "fresh", "answers": 10 * good,
                                       "done": 0, "lost": len(lost),
                                       "excused": 0}}}


def reload_row(state):
    (row,) = [r for r in soak.rows(state) if r.cells[0] == "reload"]
    return row


def test_slices_of_a_soak_add_up_and_outlive_it(tmp_path):
    path = str(tmp_path / "soak" / "state.json")
    state = soak.State(path)
    assert [state.next_seed(), state.next_seed()] == [1, 2]
    state.take("reload", slice_of(30))
    state.take("reload", slice_of(20))
    state.save()
    again = soak.State(path)
    assert again.good("reload") == 50
    assert again.next_seed() == 3
    row = reload_row(again)
    assert row.cells[1] == "50" and row.cells[4] == "so far"
    assert row.cells[3].startswith("500 answers, 0 lost, 0.100 s")
    assert row.ok is None


def test_a_soak_goes_on_with_what_is_farthest_from_its_target(tmp_path):
    state = soak.State(str(tmp_path / "state.json"))
    names = ["reload", "kill", "all mixed"]
    assert soak.choose(state, names) == "reload"
    state.take("reload", slice_of(10))
    assert soak.choose(state, names) == "kill"
    for name in names:
        state.row(name)["event"] = dict(verdict.NONE, good=10000)
    assert soak.choose(state, names) == "all mixed"


@pytest.mark.parametrize("spoilt", [
    {"lost": [{"failure": "eof"}]}, {"wrong": ["reload: no"]}])
def test_one_loss_spoils_a_row_for_good(tmp_path, spoilt):
    state = soak.State(str(tmp_path / "state.json"))
    state.take("reload", slice_of(1000, **spoilt))
    assert reload_row(state).ok is False
    state.take("reload", slice_of(1000))
    assert reload_row(state).ok is False
