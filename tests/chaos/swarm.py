# SPDX-License-Identifier: BSD-2-Clause
"""swarm.py: clients (the C program beside this file) of all kinds at once, and
what they saw."""

import array
import json
import os
import subprocess

import procs

NSEC = 1_000_000_000
# Failures that somebody's death may cause.
LOSSES = {"reset_before_byte", "reset_in_middle", "eof", "early"}


class Client:
    """One client process, until finish()."""

    def __init__(self, tool, folder, name, kind, target, **options):
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
                [tool, kind, target, f"samples={self.samples_path}", *words],
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
        if not self.ends:
            self.process.stdin.close()

    def finish(self, timeout):
        """Wait for the end; what it saw."""
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


class Swarm:
    """All clients of a run."""

    def __init__(self, tool, folder):
        self.tool = tool
        self.folder = folder
        self.clients = []

    def add(self, name, kind, target, **options):
        self.clients.append(
            Client(self.tool, self.folder, name, kind, target, **options))

    def wait_started(self):
        for client in self.clients:
            client.wait_started()

    def finish(self, timeout=150):
        for client in self.clients:
            client.end()
        for client in self.clients:
            client.finish(timeout)

    def failures(self):
        return [f for client in self.clients for f in client.failures]

    def samples(self, kind):
        """All samples of one kind of clients, in the order of their intended
        times."""
        return sorted(s for client in self.clients if client.kind == kind
                      for s in client.samples())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.kill()


def percentile(values, share):
    """Of a list in any order; 0 when it is empty."""
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0
