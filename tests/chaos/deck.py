# SPDX-License-Identifier: BSD-2-Clause
"""deck.py: what happens in a chaos run, and in which order: a deck of events,
shuffled by a seed. The same seed, mix and round give the same order with the
same details on every machine; nothing here looks at a clock or a server."""

import itertools
import random

BAD_RELOADS = ("syntax", "busy_port", "canary_crashes", "third_child_crashes",
               "never_ready", "fatal", "crash_within_commit")
BROKEN_UPGRADES = ("missing", "not_executable", "truncated", "exits_0",
                   "exits_1", "crashes", "hangs", "refuses_configuration",
                   "children_crash", "forks_and_dies")

# What is drawn for each event of a kind.
CHOICES = {
    "reload": {"by": ("tinectl", "HUP"),
               "change": ("nothing", "value", "listener", "back"),
               "meanwhile": ("nothing", "nothing", "kill", "reopen")},
    "scale": {"by": ("tinectl", "tinectl", "signal"), "to": range(1, 9),
              "meanwhile": ("nothing", "nothing", "kill")},
    "upgrade": {"by": ("tinectl", "USR2"),
                "meanwhile": ("nothing", "nothing", "kill")},
    "kill": {"by": ("signal", "signal", "signal", "tinectl")},
    "reopen": {"by": ("tinectl", "USR1")},
    "fork_fails": {"how": ("once", "ten", "five_seconds")},
    "pile": {"order": tuple(itertools.permutations(
        ("reload", "upgrade", "scale"))), "to": range(1, 9)},
    "pile_stop": {"order": tuple(itertools.permutations(
        ("reload", "upgrade", "scale", "stop"))), "to": range(1, 9)},
    "bad_reload": {"kind": BAD_RELOADS},
    "broken_upgrade": {"kind": BROKEN_UPGRADES},
}
# Of these each kind comes in its turn, so that a round has them all.
IN_TURN = {"bad_reload": "kind", "broken_upgrade": "kind", "fork_fails": "how"}

# How many of each are in one round.
DECKS = {
    "all": {"reload": 62, "kill": 62, "scale": 22, "upgrade": 12, "hang": 1,
            "bad_reload": 7, "broken_upgrade": 10, "reopen": 6,
            "fork_fails": 3, "crash_loop": 2, "restart": 2, "signals": 2,
            "pile": 3, "master_kill": 2},
    # What is different when an acceptor accepts.
    "dispatch": {"reload": 12, "kill": 30, "scale": 8, "upgrade": 4,
                 "restart": 1, "master_kill": 1, "hang": 1},
    "reload": {"reload": 100},
    "streams": {"reload": 100},
    "kill": {"kill": 100},
    "scale": {"scale": 50},
    "upgrade": {"upgrade": 30},
    "bad_reload": {"bad_reload": 7},
    "broken_upgrade": {"broken_upgrade": 10},
    "hang": {"hang": 1},
    "crash_loop": {"crash_loop": 5},
    "reopen": {"reopen": 20},
    "fork_fails": {"fork_fails": 3},
    "pile": {"pile": 20},
    "pile_stop": {"pile_stop": 20},
    "restart": {"restart": 10},
    "signals": {"signals": 10},
    "signal_storm": {"signal_storm": 10},
    "master_kill": {"master_kill": 10},
}
# What another server can be asked to do, too.
NGINX = {"reload": 40, "kill": 40, "scale": 10, "hang": 1}


class Event:
    """One event: its name, its details, and a number that seeds all that it
    draws itself."""

    def __init__(self, name, details, seed):
        self.name = name
        self.details = details
        self.seed = seed

    def __str__(self):
        words = [self.name]
        for key, value in self.details.items():
            if isinstance(value, tuple):
                value = ",".join(value)
            words.append(f"{key}={value}")
        return " ".join(words)


def _draw(rng, name, i):
    details = {}
    for key, values in CHOICES.get(name, {}).items():
        in_turn = IN_TURN.get(name) == key
        details[key] = values[i % len(values)] if in_turn \
            else rng.choice(values)
    return details


def deal(seed, mix, round_number=0, server="tine"):
    """The events of one round, in their order."""
    # A text seeds the same on every machine.
    rng = random.Random(f"{seed}/{mix}/{round_number}/{server}")
    counts = DECKS[mix]
    if server == "nginx":
        counts = {name: n for name, n in NGINX.items()
                  if mix == "all" or name in counts}
    names = [name for name, n in counts.items() for _ in range(n)]
    seen = {name: 0 for name in counts}
    events = []
    for name in names:
        details = {} if server == "nginx" and name != "scale" \
            else _draw(rng, name, seen[name])
        seen[name] += 1
        events.append(Event(name, details, rng.getrandbits(32)))
    rng.shuffle(events)
    return events
