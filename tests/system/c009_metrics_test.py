# SPDX-License-Identifier: BSD-2-Clause
"""tinectl metrics: what Prometheus itself can read, and counters that never
fall."""

import random

import procs
import pytest
from prometheus_client.parser import text_string_to_metric_families

CAUSES = {"peer-eof", "reset", "local", "idle", "first-byte", "read-timeout",
          "write-timeout", "lifetime", "overflow", "framing", "drain", "error"}


def families(t):
    done = t.tinectl("metrics")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")
    found = list(text_string_to_metric_families(done.stdout))
    names = [f.name for f in found]
    assert len(names) == len(set(names))
    return found


def samples(t, kinds=("counter", "gauge")):
    """{(name, labels): value}; no series is there twice."""
    found = {}
    for family in families(t):
        if family.type not in kinds:
            continue
        for s in family.samples:
            key = (s.name, tuple(sorted(s.labels.items())))
            assert key not in found
            found[key] = s.value
    return found


def test_every_metric_has_the_prefix_a_help_and_a_type(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    for family in families(t):
        assert family.name.startswith("tine_")
        assert family.type in ("counter", "gauge"), family.name
        assert family.documentation.endswith("."), family.name
        for s in family.samples:
            assert (family.type == "counter") == s.name.endswith("_total")


def test_labels_are_places_listeners_causes_reasons_and_states(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://a.sock", "-n", "2",
             "echo")
    values = {}
    for _, labels in samples(t):
        for name, value in labels:
            values.setdefault(name, set()).add(value)
    assert values == {
        "version": {t.status()["version"]},
        "place": {"0", "1"},
        "listener": {x["url"] for x in t.status()["listeners"]},
        "cause": CAUSES,
        "reason": {"max-connections", "connections", "per-address",
                   "accept-rate"},
        "state": {"init", "bind", "starting", "running", "stopping", "exit",
                  "prepared", "ready", "draining", "suspect", "reloading",
                  "scaling", "upgrading"},
    }


@pytest.mark.parametrize("name", ['a"b.sock', "a\\b.sock", "a b.sock"])
def test_a_listener_may_have_any_name(tine, name):
    t = tine("-l", f"unix://{name}", "-n", "1", "echo")
    (url,) = {dict(labels)["listener"] for _, labels in samples(t)
              if "listener" in dict(labels)}
    assert url.endswith(name.replace("\\", "\\x5c"))


def test_the_numbers_are_true(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    with t.connect() as s:
        s.sendall(b"x" * 1000)
        assert len(s.recv(1000, 0x100)) == 1000
        # The child may still be on its way from sending to counting.
        procs.eventually(
            lambda: samples(t)["tine_sent_bytes_total", ()] > 0)
        now = samples(t)
        assert now["tine_connections", ()] == 1
        assert sum(v for (name, _), v in now.items()
                   if name == "tine_child_connections") == 1
        assert now["tine_received_bytes_total", ()] == 1000
        assert now["tine_sent_bytes_total", ()] == 1000
    assert now["tine_master_state", (("state", "running"),)] == 1
    assert now["tine_children", (("state", "ready"),)] == 2
    assert now["tine_places", ()] == now["tine_accepting_children", ()] == 2
    assert 0 < now["tine_uptime_seconds", ()] < 60
    for place in "01":
        labels = (("place", place),)
        assert 1e5 < now["tine_child_resident_memory_bytes", labels] < 1e9
        assert 0 <= now["tine_child_utilisation_ratio", labels] <= 1


def test_no_counter_falls_while_children_are_killed_and_drained(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    rng = random.Random(9)
    before = samples(t, ("counter",))
    for _ in range(8):
        for _ in range(10):
            with t.connect() as s:
                s.sendall(b"x" * 50)
                s.recv(50)
        assert t.tinectl(rng.choice(["kill", "drain"]),
                         rng.randrange(3)).returncode == 0
        now = samples(t, ("counter",))
        assert set(now) == set(before)
        for key, value in now.items():
            assert value >= before[key], key
        before = now
    assert before["tine_connections_accepted_total", ()] == 80
    assert before["tine_received_bytes_total", ()] == 80 * 50
