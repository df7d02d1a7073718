# SPDX-License-Identifier: BSD-2-Clause
"""verdict.py: from what was seen to a table: one row for each kind of event and
of client, with what was wanted, what was measured, and whether that is so. The
limits are loose, ten times what is aimed at: a test machine is shared. What was
really measured stands beside them."""

import bisect

from swarm import percentile

# In seconds, of the slowest; None: not judged. The sharp figures of the
# longest runs are judged by those who read the report.
SLOWEST = {"kill": 10.0, "hang": 14.0, "fork_fails": 1.5}
QUEUED_P99_MS = 50.0
ADOPTED_SECONDS = 2.5
HEAD = ("event", "how many", "target", "measured", "ok")


class Row:
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


class Records:
    """What happened, in order: dictionaries with name, begin, end (ns), error
    (or None) and measures."""

    def __init__(self):
        self.all = []

    def add(self, name, text, begin, end, error, measures):
        self.all.append({"name": name, "text": text, "begin": begin,
                         "end": end, "error": error, "measures": measures})

    def blame(self, lost):
        """Each failure belongs to the event that was last to begin."""
        begins = [r["begin"] for r in self.all]
        for record in self.all:
            record["lost"] = 0
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


def queued_ms(scene, samples):
    """How long clients that were in a victim's queue waited from its death on;
    `samples` in order of their times."""
    waits = []
    dues = [due for due, _, _ in samples]
    for victim in scene.victims:
        if victim.killed_ns is None or victim.hung:
            continue
        # Who is in a queue has asked shortly before.
        at = bisect.bisect_right(dues, victim.killed_ns)
        waits += [(due + latency - victim.killed_ns) / 1e6
                  for due, latency, name in samples[max(0, at - 500):at]
                  if name in victim.queued and
                  due + latency > victim.killed_ns]
    return waits


def slowest_in(window, scene, samples):
    """The longest wait, in seconds, of a question asked in this window on a
    connection that no victim held."""
    begin, end = window
    held = set().union(*(v.held for v in scene.victims
                         if begin <= v.stopped_ns <= end))
    return max((latency for due, latency, name in samples
                if begin <= due <= end and name not in held),
               default=0) / 1e9


def p50_ms(samples, windows):
    """The median wait of all questions asked in these windows."""
    dues = [due for due, _, _ in samples]
    waits = []
    for begin, end in windows:
        some = samples[bisect.bisect_left(dues, begin):
                       bisect.bisect_left(dues, end)]
        waits += [latency for _, latency, _ in some]
    return percentile(waits, 0.5) / 1e6


class Judge:
    """Rows for one run. judged=False: only what was measured, as for a server
    that promises nothing."""

    def __init__(self, scene, records, quiet, judged=True):
        self.scene = scene
        self.records = records
        self.quiet = quiet
        self.judged = judged
        self.fresh = scene.swarm.samples("fresh")
        self.lost = scene.lost()
        records.blame(self.lost)

    def _ok(self, ok):
        return ok if self.judged else None

    def event_row(self, name, target):
        records = self.records.named(name)
        good = [r for r in records if r["error"] is None]
        lost = sum(r["lost"] for r in records)
        seconds = [r["measures"]["seconds"] for r in good
                   if "seconds" in r["measures"]]
        words = [f"{lost} lost"]
        ok = len(good) == len(records) >= target and lost == 0
        if seconds:
            words.append(f"{percentile(seconds, .5):.3f} s, "
                         f"max {max(seconds):.3f} s")
            ok &= max(seconds) <= SLOWEST.get(name, float("inf"))
        if len(good) < len(records):
            words.append(f"{len(records) - len(good)} went wrong")
        more, fine = self._more(name, good)
        return Row(name, len(good), target, ", ".join(words + more),
                   self._ok(ok and fine))

    def _more(self, name, good):
        """What is measured of one kind of event only."""
        if name == "kill" and good:
            return self._kill(good)
        if name == "hang" and good:
            worst = max(slowest_in(r["measures"]["window"], self.scene,
                                   self.fresh) for r in good)
            return [f"queue waited {worst:.2f} s"], worst < ADOPTED_SECONDS
        fewest = [r["measures"]["min_accepting"] for r in good
                  if "min_accepting" in r["measures"]]
        return ([f"min_accepting N{min(fewest):+d}"] if fewest else []), True

    def _kill(self, good):
        waits = queued_ms(self.scene, self.fresh)
        pauses = [r["measures"]["pause_ms"] for r in good]
        windows = self.records.windows("kill")
        p99 = percentile(waits, 0.99)
        return [f"{len(waits)} queued p99 {p99:.2f} ms",
                f"stopped before {percentile(pauses, .5):.2f} ms",
                f"p50 of the rest {p50_ms(self.fresh, windows):.3f} ms, "
                f"quiet {p50_ms(self.fresh, [self.quiet]):.3f} ms"], \
            p99 < QUEUED_P99_MS

    def client_row(self, client):
        report = client.report
        lost = [f for f in self.lost if f["client"] == client.name]
        many = report["answers"] or report["done"]
        words = [f"{len(lost)} lost",
                 f"{len(client.failures) - len(lost)} excused"]
        if client.kind not in ("echo", "long"):
            words.append("p50 {p50_ms:.3f} p99 {p99_ms:.3f} max {max_ms:.1f} ms"
                         .format(**report))
        return Row(f"client {client.name}", many, 1, ", ".join(words),
                   self._ok(not lost and many > 0))

    def rows(self, counts):
        """counts: how many of each event there were to be."""
        return [self.event_row(name, n) for name, n in counts.items()] + \
            [self.client_row(c) for c in self.scene.swarm.clients]
