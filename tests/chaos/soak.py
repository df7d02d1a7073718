#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""soak.py: chaos for hours. Each slice of a run takes the row of the table that
is farthest from its target, with a seed of its own, and adds what it showed to
a file; so it can be ended at any time and goes on where it was. Prints the
table so far after each slice. When all rows have what they want, everything
goes on mixed.

usage: soak.py [--seconds N] [--build FOLDER] [--state FILE] [--only ROW]..."""

import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(TOP, "tests", "lib")]

import verdict  # noqa: E402

SLICE_SECONDS = 150
# Beyond its time box a slice ends its clients, the server, and the sums.
SLICE_MARGIN = 400
# Rounds enough for any slice.
MANY = "1000"
# row: the mix, the event that counts, how many of it, and other options.
ROWS = {
    "reload": ("reload", "reload", 2000, ["--pause", "0.05"]),
    "kill": ("kill", "kill", 2000, ["--pause", "0.05", "--rate", "600"]),
    "scale": ("scale", "scale", 500, ["--pause", "0.02"]),
    "upgrade": ("upgrade", "upgrade", 300, ["--pause", "0.05"]),
    "broken upgrade": ("broken_upgrade", "broken_upgrade", 30, []),
    "bad reload": ("bad_reload", "bad_reload", 28, []),
    "bad reload, usual timing": ("bad_reload", "bad_reload", 7,
                                 ["--defaults", "--rounds", "1"]),
    "reload, usual timing": ("reload", "reload", 20, ["--defaults"]),
    "SIGSTOP": ("hang", "hang", 5, []),
    "pile": ("pile", "pile", 100, []),
    "pile and stop": ("pile_stop", "pile_stop", 200, ["--pause", "0.02"]),
    "fork fails": ("fork_fails", "fork_fails", 9, []),
    "crash loop": ("crash_loop", "crash_loop", 10, []),
    "log reopened": ("reopen", "reopen", 200, ["--pause", "0.05"]),
    "1,000 signals": ("signal_storm", "signal_storm", 50, []),
    "minute streams": ("streams", "reload", 100,
                       ["--pause", "0.6", "--rounds", "1"]),
    "master killed": ("master_kill", "master_kill", 50, ["--pause", "1"]),
    "dispatch": ("all", "kill", 310, ["--mode", "dispatch", "--seconds",
                                      "300"]),
    "nginx reload": ("reload", "reload", 200, ["--server", "nginx"]),
    "nginx kill": ("kill", "kill", 200, ["--server", "nginx"]),
    "nginx scale": ("scale", "scale", 50, ["--server", "nginx"]),
    "nginx SIGSTOP": ("hang", "hang", 5, ["--server", "nginx"]),
    "all mixed": ("all", "reload", 310, ["--seconds", "600"]),
}


def arguments():
    p = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2])
    p.add_argument("--seconds", type=float, default=1800)
    p.add_argument("--build", default=os.path.join(TOP, "build"))
    p.add_argument("--state",
                   default=os.path.join(TOP, "build", "soak", "state.json"))
    p.add_argument("--only", action="append", choices=ROWS)
    return p.parse_args()


class State:
    """What all slices showed so far, in a file."""

    def __init__(self, path):
        self.path = path
        self.seen = {"slices": 0, "rows": {}}
        if os.path.exists(path):
            with open(path, encoding="ascii") as f:
                self.seen = json.load(f)

    def row(self, name):
        return self.seen["rows"].setdefault(
            name, {"event": verdict.NONE, "clients": {}, "lost": [],
                   "wrong": []})

    def good(self, name):
        return self.row(name)["event"]["good"]

    def next_seed(self):
        self.seen["slices"] += 1
        return self.seen["slices"]

    def take(self, name, slice_seen):
        """Add one slice."""
        row = self.row(name)
        event = ROWS[name][1]
        for key, numbers in slice_seen["events"].items():
            if key == event:
                row["event"] = verdict.add(row["event"], numbers)
            else:
                row["wrong"] += numbers["wrong"]
        for client in slice_seen["clients"].values():
            sums = row["clients"].setdefault(
                client["kind"], {"answers": 0, "lost": 0, "excused": 0})
            sums["answers"] += client["answers"] or client["done"]
            sums["lost"] += client["lost"]
            sums["excused"] += client["excused"]
        row["lost"] += slice_seen["lost"]
        row["wrong"] += slice_seen["wrong"]

    def save(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path + ".new", "w", encoding="ascii") as f:
            json.dump(self.seen, f)
        os.replace(self.path + ".new", self.path)


def choose(state, names):
    """The row that is farthest from its target; when there is none, the last:
    it has everything."""
    behind = [(state.good(name) / ROWS[name][2], i, name)
              for i, name in enumerate(names)]
    share, _, name = min(behind)
    return name if share < 1 else names[-1]


def run_slice(args, state, name, seconds):
    mix, _, _, more = ROWS[name]
    seed = state.next_seed()
    out = os.path.join(os.path.dirname(args.state), f"slice{seed}")
    seconds = min(seconds, SLICE_SECONDS)
    argv = [os.path.join(HERE, "chaos.py"), "--mix", mix, "--seed", str(seed),
            "--seconds", str(seconds), "--rounds", MANY, "--json",
            out + ".json", "--build", args.build, *more]
    state.save()
    with open(out + ".log", "w", encoding="utf-8") as log:
        code = subprocess.run(argv, stdout=log, stderr=subprocess.STDOUT,
                              check=False,
                              timeout=seconds + SLICE_MARGIN).returncode
    if os.path.exists(out + ".json"):
        with open(out + ".json", encoding="ascii") as f:
            state.take(name, json.load(f))
        os.unlink(out + ".json")
    elif "nginx is not installed" not in open(out + ".log",
                                              encoding="utf-8").read():
        state.row(name)["wrong"].append(f"exit code {code}, see {out}.log")
    state.save()


def rows(state):
    made = []
    for name, (_, _, target, more) in ROWS.items():
        if name not in state.seen["rows"]:
            continue
        row = state.row(name)
        # Events of other kinds count, too, and so do failures of the end.
        event = row["event"] | {"lost": len(row["lost"]),
                                "wrong": row["event"]["wrong"] + row["wrong"]}
        limits = None if "nginx" in more else verdict.SHARP
        judged = verdict.event_row(name, event, target, limits)
        asked = sum(c["answers"] for c in row["clients"].values())
        word = judged.cells[4]
        if limits and not event["lost"] and not event["wrong"] and \
                event["good"] < target:
            judged.ok, word = None, "so far"
        judged.cells = (name, *judged.cells[1:3],
                        f"{asked} answers, {judged.cells[3]}", word)
        made.append(judged)
    return made


def main():
    args = arguments()
    state = State(args.state)
    names = args.only or list(ROWS)
    end = time.monotonic() + args.seconds
    while (left := end - time.monotonic()) > 0:
        name = choose(state, names)
        begin = time.monotonic()
        run_slice(args, state, name, left)
        print(f"\nslice {state.seen['slices']}: {name}, "
              f"{time.monotonic() - begin:.0f} s")
        print(verdict.table(rows(state)), flush=True)
    print(verdict.closing(rows(state)))
    for name in ROWS:
        for text in state.seen["rows"].get(name, {}).get("wrong", []):
            print(f"{name}: {text}")
    return 1 if any(row.ok is False for row in rows(state)) else 0


if __name__ == "__main__":
    sys.exit(main())
