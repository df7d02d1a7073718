# SPDX-License-Identifier: BSD-2-Clause
"""swarm.py: clients of all kinds at once, and what they saw."""

from load import Client


class Swarm:
    """All clients of a run."""

    def __init__(self, stage, folder):
        self.stage = stage
        self.folder = folder
        self.clients = []

    def add(self, name, kind, target, **options):
        self.clients.append(
            Client(self.stage, self.folder, kind, target, name, **options))

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
