# SPDX-License-Identifier: BSD-2-Clause
"""bench.py: every measurement of this folder, short, as one table.
usage: bench.py [BUILD]

Nothing is asserted: the figures are for people, and those with a unit of time
mean something only on a machine that does nothing else. Each program gives more
when it is run alone, see its beginning."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = sys.argv[1] if len(sys.argv) > 1 else f"{HERE}/../../build"
# What is measured, the program, what follows BUILD on its command line.
ROWS = (
    ("a request", "instructions.py", ["700"]),
    ("an idle connection", "idle.py", ["5000"]),
    ("a flood's neighbours", "fairness.py", ["5"]),
)
SECONDS_MAX = 60


def figures(program, words):
    done = subprocess.run(
        [sys.executable, f"{HERE}/{program}", BUILD, *words],
        capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        sys.exit(f"{program}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def main():
    for name, program, words in ROWS:
        for line in figures(program, words):
            print(f"{name:22}{line}", flush=True)
            name = ""


main()
