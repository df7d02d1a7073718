# SPDX-License-Identifier: BSD-2-Clause
"""verdict.py: from what was seen to a table: a row for each kind of event and
of client, with what was wanted, what was measured, and whether that is so. What
was seen is summed up first, in numbers that can be written to a file and added
to those of other runs."""

import bisect

from swarm import percentile

HEAD = ("event", "how many", "target", "measured", "ok")
# What is promised, and ten times that for runs on a machine that is shared. In
# seconds (of the slowest), milliseconds, and as a ratio. What waits for a
# processor waits longer: so many times what nine of ten other questions took,
# or at least so many milliseconds, are the server's fault no more.
SHARP = {"kill": 2.0, "hang": 14.0, "fork_fails": 1.0, "queued_p99_ms": 5.0,
         "adopted": 2.5, "p50_ratio": 1.2, "noise": 0.0, "p50_ms": 0.0}
LOOSE = {"kill": 10.0, "hang": 14.0, "fork_fails": 5.0, "queued_p99_ms": 50.0,
         "adopted": 4.0, "p50_ratio": 12.0, "noise": 10.0, "p50_ms": 10.0}
# Of an event that never came.
NONE = {"good": 0, "wrong": [], "lost": 0, "seconds": [], "pause_ms": [],
        "above": []}
# With fewer a percentile says nothing.
ENOUGH = 100


# ---- rows ----

class Row:
    """ok: None, when nothing is promised."""

    def __init__(self, event, many, target, measured, ok):
        self.cells = (event, str(many), str(target), measured,
                      {True: "yes", False: "NO", None: "-"}[ok])
        self.ok = ok


def table(rows):
    """Text; the columns as wide as they must be."""
    lines = [HEAD, *(row.cells for row in rows)]
    wide = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, wide)).rstrip()
        for line in lines)


def closing(rows):
    """The last line of a run."""
    judged = [row.ok for row in rows if row.ok is not None]
    return f"{judged.count(True)} passed, {judged.count(False)} failed"


# ---- what happened ----

class Records:
    """What happened, in order: dictionaries with name, begin, end (ns), error
    (or None) and measures."""

    def __init__(self):
        self.all = []

    def add(self, event, begin, error, measures, end):
        self.all.append({"name": event.name, "text": str(event), "lost": 0,
                         "begin": begin, "end": end, "error": error,
                         "measures": measures})

    def blame(self, lost):
        """Each failure belongs to the event that was last to begin."""
        begins = [r["begin"] for r in self.all]
        for failure in lost:
            i = bisect.bisect_right(begins, failure["at"]) - 1
            if i >= 0:
                self.all[i]["lost"] += 1

    def named(self, name):
        return [r for r in self.all if r["name"] == name]

    def windows(self, name):
        """(begin, begin of whatever came next) of the events of this name."""
        return [(r["begin"], after["begin"])
                for r, after in zip(self.all, self.all[1:])
                if r["name"] == name]


def queued_ms(victims, samples):
    """How long clients that were in a victim's queue waited from its death on;
    `samples` in order of their times."""
    waits = []
    dues = [due for due, _, _ in samples]
    for victim in victims:
        if victim.killed_ns is None:
            continue
        # Who is in a queue has asked shortly before.
        at = bisect.bisect_right(dues, victim.killed_ns)
        waits += [(due + latency - victim.killed_ns) / 1e6
                  for due, latency, name in samples[max(0, at - 500):at]
                  if name in victim.queued and
                  due + latency > victim.killed_ns]
    return waits


def slowest_in(window, victims, samples):
    """The longest wait, in seconds, of a question asked in this window on a
    connection that no victim held."""
    begin, end = window
    held = set().union(*(v.held for v in victims
                         if begin <= v.stopped_ns <= end))
    return max((latency for due, latency, name in samples
                if begin <= due <= end and name not in held),
               default=0) / 1e9


def latencies_ms(samples, windows, but=frozenset()):
    """Of all questions asked in these windows, but not on the connections that
    are named."""
    dues = [due for due, _, _ in samples]
    waits = []
    for begin, end in windows:
        waits += [latency / 1e6 for _, latency, name in
                  samples[bisect.bisect_left(dues, begin):
                          bisect.bisect_left(dues, end)] if name not in but]
    return waits


# ---- sums ----

def sum_up(scene, records, quiet):
    """What a run showed: {"events": {name: numbers}, "clients": {name:
    numbers}, "lost": failures, "acceptors": connections that each one's death
    cost}."""
    fresh = scene.swarm.samples("fresh")
    lost, excused = scene.divide_failures()
    records.blame(lost)
    names = dict.fromkeys(r["name"] for r in records.all)
    events = {name: _sum_event(records.named(name)) for name in names}
    if "kill" in events:
        windows = records.windows("kill")
        # Where forks fail or children crash in a loop, others wait longer.
        victims = [v for v in scene.victims
                   if any(begin <= v.stopped_ns < end
                          for begin, end in windows)]
        queued = set().union(*(v.queued for v in victims))
        events["kill"] |= {
            "queued_ms": queued_ms(victims, fresh),
            "p90_ms": [percentile(latencies_ms(fresh, windows, queued), 0.9)],
            "p50_ms": [percentile(latencies_ms(fresh, w), 0.5)
                       for w in (windows, [quiet])]}
    if "hang" in events:
        events["hang"]["adopted"] = [
            slowest_in(r["measures"]["window"], scene.victims, fresh)
            for r in records.named("hang") if r["error"] is None]
    clients = {c.name: c.report | {
        "kind": c.kind,
        "lost": sum(f["client"] == c.name for f in lost),
        "excused": sum(f["client"] == c.name for f in excused)}
        for c in scene.swarm.clients}
    acceptors = [v.cost for v in scene.victims if v.most is not None]
    return {"events": events, "clients": clients, "lost": lost,
            "acceptors": acceptors}


def _sum_event(records):
    good = [r for r in records if r["error"] is None]
    measures = [r["measures"] for r in good]

    def values(key):
        return [m[key] for m in measures if key in m]
    return {"good": len(good),
            "wrong": [f"{r['text']}: {r['error']}" for r in records
                      if r["error"] is not None],
            "lost": sum(r["lost"] for r in records),
            "seconds": values("seconds"), "pause_ms": values("pause_ms"),
            "above": values("min_accepting")}


def add(a, b):
    """The numbers of one kind of event, of two runs."""
    both = {key: a[key] + b[key] for key in a
            if key != "p50_ms" and key in b}
    both |= {key: x[key] for x in (a, b) for key in x if key not in both}
    if "p50_ms" in a and "p50_ms" in b:
        both["p50_ms"] = [(x + y) / 2
                          for x, y in zip(a["p50_ms"], b["p50_ms"])]
    return both


# ---- judgement ----

def event_row(name, event, target, limits=None):
    """A row for the numbers of one kind of event. Without limits nothing is
    judged."""
    words = [f"{event['lost']} lost"]
    ok = event["good"] >= target and not event["wrong"] and not event["lost"]
    seconds = event["seconds"]
    judged = limits or SHARP
    if seconds:
        words.append(f"{percentile(seconds, .5):.3f} s, "
                     f"max {max(seconds):.3f} s")
        ok &= max(seconds) <= judged.get(name, float("inf"))
    if event["wrong"]:
        words.append(f"{len(event['wrong'])} went wrong")
    if event["above"]:
        words.append(f"min_accepting N{min(event['above']):+d}")
    if "queued_ms" in event:
        ok &= _judge_kill(event, words, judged)
    if event.get("adopted"):
        words.append(f"queue waited {max(event['adopted']):.2f} s")
        ok &= max(event["adopted"]) < judged["adopted"]
    return Row(name, event["good"], target, ", ".join(words),
               ok if limits else None)


def _judge_kill(event, words, limits):
    waits, (rest, quiet) = event["queued_ms"], event["p50_ms"]
    p99 = percentile(waits, 0.99)
    words += [f"{len(waits)} queued p99 {p99:.2f} ms",
              f"stopped before {percentile(event['pause_ms'], .5):.2f} ms",
              f"p50 of the rest {rest:.3f} ms, quiet {quiet:.3f} ms"]
    enough = max(limits["queued_p99_ms"],
                 limits["noise"] * max(event.get("p90_ms", [0])))
    return (len(waits) < ENOUGH or p99 < enough) and \
        rest <= max(limits["p50_ratio"] * quiet, limits["p50_ms"])


def acceptor_row(costs):
    """Of acceptors that were killed: what more than one cost is lost."""
    return Row("acceptor killed", len(costs), 1,
               f"cost {sum(costs)} connections, max {max(costs)}",
               max(costs) <= 1)


def client_row(name, client, judged=True):
    many = client["answers"] or client["done"]
    words = [f"{client['lost']} lost", f"{client['excused']} excused"]
    if client["kind"] not in ("echo", "long"):
        words.append("p50 {p50_ms:.3f} p99 {p99_ms:.3f} max {max_ms:.1f} ms"
                     .format(**client))
    return Row(f"client {name}", many, 1, ", ".join(words),
               client["lost"] == 0 < many if judged else None)
