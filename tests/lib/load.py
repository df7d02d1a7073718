# SPDX-License-Identifier: BSD-2-Clause
"""load.py: the open-loop client (openloop.c) as an object."""

import json
import subprocess

# A failure that a killed child may cause on a connection it had accepted.
LOST = ("reset", "eof")
NEVER = ("refused", "timeout", "wrong", "other")


class OpenLoop:
    """Asks `rate` questions a second, `asks` on each connection, `gap_ms`
    apart, until finish()."""

    def __init__(self, stage, kind, address, rate, body, asks=1, gap_ms=0):
        host, port = address
        self.process = subprocess.Popen(
            [stage.tool("openloop"), kind, host, str(port), str(rate),
             str(asks), str(gap_ms), body],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def finish(self):
        """No new connections; the report when the open ones are done."""
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def lost(report):
    return sum(report["failures"][k] for k in LOST)


def never_happened(report):
    """True when nothing went wrong that no death may cause."""
    return not any(report["failures"][k] for k in NEVER)
