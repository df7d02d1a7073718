# SPDX-License-Identifier: BSD-2-Clause
"""load.py: the open-loop client (tests/chaos/client.c) as an object."""

import array
import json
import os
import subprocess

import procs

# Failures that the death of a child may cause on a connection it had accepted.
LOSSES = {"reset_before_byte", "reset_in_middle", "eof", "early"}


def target(address):
    """What the client is told of a (host, port) or path."""
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address
    return f"tcp:{host}:{port}"


class Client:
    """One client process of this kind, until finish(). Its files go to the
    folder, under its name."""

    def __init__(self, stage, folder, kind, where, name=None, **options):
        tool = os.path.join(stage.build, "tests", "chaos", "client")
        name = name or kind
        self.name = name
        self.kind = kind
        self.report = None
        self.ends = "count" in options  # by itself
        self.failures = []
        self.path = os.path.join(folder, f"{name}.jsonl")
        self.samples_path = os.path.join(folder, f"{name}.samples")
        words = [f"{key}={value}" for key, value in options.items()]
        with open(self.path, "w", encoding="ascii") as out:
            self.process = subprocess.Popen(
                [tool, kind, where, f"samples={self.samples_path}", *words],
                stdin=subprocess.PIPE, stdout=out)

    def _lines(self):
        with open(self.path, encoding="ascii") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def wait_started(self):
        def started():
            assert self.process.poll() is None, f"{self.name} ended"
            return self._lines()
        procs.eventually(started, 10, f"client {self.name}")

    def seen(self):
        """The failures so far."""
        return [line for line in self._lines() if "failure" in line]

    def end(self):
        """No new questions from now on."""
        if not self.ends and not self.process.stdin.closed:
            self.process.stdin.close()

    def finish(self, timeout=60):
        """No new questions; wait for the answers to those asked; what it
        saw."""
        self.end()
        code = self.process.wait(timeout)
        assert code == 0, f"client {self.name}: exit code {code}"
        *self.failures, self.report = self._lines()[1:]
        for failure in self.failures:
            failure["client"] = self.name
        return self.report

    def samples(self):
        """(intended time, latency, id) of each answer, times in ns."""
        flat = array.array("Q")
        with open(self.samples_path, "rb") as f:
            flat.frombytes(f.read())
        return zip(flat[0::3], flat[1::3], flat[2::3])

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        self.wait_started()
        return self

    def __exit__(self, *_):
        self.kill()


def lost(report):
    return sum(report["failures"][k] for k in LOSSES)


def never_happened(report):
    """True when nothing went wrong that no death may cause."""
    return sum(report["failures"].values()) == lost(report)
