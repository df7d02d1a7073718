#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""chaos.py: a server, open-loop clients, and events in an order that a seed
gives, until the deck is played or time is up. Prints each event, then one
table, and ends with "N passed, N failed". Needs root, for a network of its own
and to see what a child holds; touches nothing but what it starts itself.

usage: chaos.py [--seed N] [--mix NAME]
    [--mode reuseport|shared|unix|dispatch|all]
    [--server tine|nginx] [--seconds N] [--rounds N] [--rate N] [--pause S]
    [--defaults] [--build FOLDER] [--json FILE] [--keep] [--dry-run]"""

import argparse
import collections
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(TOP, "tests", "lib")]

import breakage  # noqa: E402
import deck  # noqa: E402
import net  # noqa: E402
import nginx_scene  # noqa: E402
import operations  # noqa: E402
import verdict  # noqa: E402
from scene import CLIENTS, STREAMS  # noqa: E402
from stage import Stage  # noqa: E402
from tine_scene import DEFAULTS, FAST, TineScene  # noqa: E402

MODES = ("reuseport", "shared", "unix")
# A server is in this mode with all of its listeners.
DISPATCH = ("dispatch", "unix")
QUIET_SECONDS = 3
# After so many events in a row that went wrong the rest tells nothing new.
GIVE_UP = 3
TABLE_SIZE = 8192
LOST_SHOWN = 20

TINE_EVENTS = {
    "reload": operations.reload, "scale": operations.scale,
    "upgrade": operations.upgrade, "kill": operations.kill,
    "crash_loop": operations.crash_loop, "reopen": operations.reopen,
    "signals": operations.signals, "restart": operations.restart,
    "signal_storm": operations.signal_storm,
    "master_kill": operations.master_kill,
    "pile": operations.pile, "pile_stop": operations.pile_stop,
    "bad_reload": breakage.bad_reload, "hang": breakage.hang,
    "broken_upgrade": breakage.broken_upgrade,
    "fork_fails": breakage.fork_fails,
}
EVENTS = {"tine": TINE_EVENTS, "nginx": nginx_scene.EVENTS}


def arguments():
    p = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2])
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--mix", choices=deck.DECKS, default="all")
    p.add_argument("--mode", choices=(*MODES, "dispatch", "all"), default="all")
    p.add_argument("--server", choices=EVENTS, default="tine")
    p.add_argument("--seconds", type=float, default=240)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--rate", type=int, default=400)
    p.add_argument("--pause", type=float, default=0.2)
    p.add_argument("--defaults", action="store_true")
    p.add_argument("--build", default=os.path.join(TOP, "build"))
    p.add_argument("--json")
    p.add_argument("--keep", action="store_true")
    p.add_argument("--dry-run", action="store_true")
    return p.parse_args()


def all_events(args):
    return [event for i in range(args.rounds)
            for event in deck.deal(args.seed, args.mix, i, args.server)]


def make_scene(args, stage):
    modes = {"all": MODES, "dispatch": DISPATCH}.get(args.mode, (args.mode,))
    if args.server == "nginx":
        return nginx_scene.NginxScene(stage, modes, args.rate, args.seed)
    return TineScene(stage, modes, args.rate, args.seed,
                     DEFAULTS if args.defaults else FAST)


def play(args, scene, events, records):
    """Events until all are played, time is up, or nothing works any more."""
    end = time.monotonic() + args.seconds
    wrong = 0
    for event in events:
        if time.monotonic() > end or wrong == GIVE_UP:
            break
        rng = random.Random(event.seed)
        net.wait_seconds(rng.uniform(0, 2 * args.pause))
        begin = time.monotonic_ns()
        error, measures = None, {}
        try:
            measures = EVENTS[args.server][event.name](
                scene, rng, **event.details)
        except (AssertionError, OSError, KeyError, ValueError) as e:
            error = f"{type(e).__name__}: {e}"
        records.add(event, begin, error, measures, time.monotonic_ns())
        wrong = 0 if error is None else wrong + 1
        print(f"{(begin - records.all[0]['begin']) / 1e9:8.3f} {event}: "
              f"{error or 'done'}", flush=True)


def run(args, scene, events):
    """Play it; what it showed, and what was wrong with the end."""
    records = verdict.Records()
    with scene.swarm as swarm:
        scene.start()
        scene.send_clients(STREAMS if args.mix == "streams" else CLIENTS)
        quiet = time.monotonic_ns()
        net.wait_seconds(QUIET_SECONDS)
        quiet = (quiet, time.monotonic_ns())
        play(args, scene, events, records)
        net.wait_seconds(1)
        swarm.finish()
        return verdict.sum_up(scene, records, quiet), scene.close()


def judge(args, seen, wrong, events):
    """The rows of the table. Who is not tine promises nothing here."""
    is_tine = args.server == "tine"
    counts = collections.Counter(event.name for event in events)
    rows = [verdict.event_row(name, seen["events"].get(name, verdict.NONE),
                              target, verdict.LOOSE if is_tine else None)
            for name, target in counts.items()]
    if seen["acceptors"]:
        rows.append(verdict.acceptor_row(seen["acceptors"]))
    rows += [verdict.client_row(name, client, is_tine)
             for name, client in seen["clients"].items()]
    rows.append(verdict.Row("the end", 1, 1, "; ".join(wrong) or "in order",
                            not wrong))
    return rows


def main():
    args = arguments()
    events = all_events(args)
    if args.dry_run:
        print("\n".join(map(str, events)))
        return 0
    if os.getuid() != 0:
        sys.exit("chaos.py: only root sees what a child holds")
    if args.server == "nginx" and not nginx_scene.is_installed():
        print("nginx is not installed: skipped\n0 passed, 0 failed")
        return 0
    os.umask(0o022)
    net.isolate(TABLE_SIZE)
    stage = Stage(args.build)
    scene = make_scene(args, stage)
    seen = None
    try:
        seen, wrong = run(args, scene, events)
    finally:
        if seen is None:
            scene.close()
        if args.keep:
            print(f"kept: {scene.folder}")
        else:
            stage.remove()
    if overflows := net.udp_overflows():
        print(f"no socket had room for {overflows} packets")
    for failure in seen["lost"][:LOST_SHOWN]:
        print(f"lost: {failure}")
    if args.json:
        with open(args.json, "w", encoding="ascii") as f:
            json.dump(seen | {"wrong": wrong}, f)
    rows = judge(args, seen, wrong, events)
    print(verdict.table(rows))
    print(verdict.closing(rows))
    return 1 if any(row.ok is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
