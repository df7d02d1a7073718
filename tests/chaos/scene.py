# SPDX-License-Identifier: BSD-2-Clause
"""scene.py: a server that chaos happens to, the clients that must not notice,
and the rule that says which failure is whose."""

import os

import net
from held import Victim
from load import LOSSES
from pattern import pattern
from swarm import Swarm

FILES = {"small": 1000, "large": 4 << 20, "minute": 60 << 20}
# Waits no longer than this are none: a stopped child's clients are answered
# after `suspect`, 2 s.
TIMEOUT_MS = 5000

# kind: what the client is called with, and its part of the requests a second,
# or how many a second it begins where that is no part.
CLIENTS = {
    "fresh": {"share": 0.4, "poisson": 1},
    "keepalive": {"share": 0.35, "gap_max_ms": 500},
    "pipelined": {"share": 0.25, "gap_max_ms": 500, "batch": 4},
    "half-open": {"rate": 5, "gap_min_ms": 1000, "gap_max_ms": 3000},
    "long": {"rate": 1, "path": "large", "pace": 2 << 20},
    "echo": {"rate": 1, "bytes": 512 << 10, "pace": 256 << 10},
    "packets": {"rate": 20, "poisson": 1, "asks": 8},
}
# What servers are sent whose handlers are loaded from files. Theirs says
# nothing of an end in its answers, so each question has its own connection.
LOADED = {
    "fresh": {"share": 0.2, "poisson": 1, "text": "Hello World!"},
    "echo": CLIENTS["echo"],
}
# The handler of the clients that do not speak HTTP.
HANDLERS = {"echo": "echo", "packets": "packets"}
# A killed child takes the packets with it that it had read and not answered:
# one batch, read a moment before. They were sent as long before that as others
# waited for their answers then.
BATCH = 16
IN_HANDS_NS = 50_000_000
THEN_NS = 1_000_000_000
# A minute at 1 MiB/s each, beside the usual ones.
STREAMS = CLIENTS | {
    "long": {"rate": 1, "count": 10, "path": "minute", "pace": 1 << 20},
    "echo": {"rate": 1, "count": 10, "bytes": 60 << 20, "pace": 1 << 20},
}
# Connects to a listener that has TCP_DEFER_ACCEPT.
DEFERRED = "half-open-defer"


class Target:
    """An address to send clients to: how the server is told to listen, and
    what the client is told."""

    def __init__(self, mode, handler, where, query=""):
        self.mode = mode
        self.handler = handler
        if mode == "udp":
            self.port = None
            self.url = f"udp://127.0.0.1:{where}{query}"
            self.client = f"udp:127.0.0.1:{where}"
        elif isinstance(where, int):
            self.port = where
            self.url = f"tcp://127.0.0.1:{where}{query}"
            self.client = f"tcp:127.0.0.1:{where}"
        else:
            self.port = None
            self.url = f"unix://{where}"
            self.client = f"unix:{where}"


class Scene:
    """What both servers have in common."""

    def __init__(self, stage, modes, rate, seed):
        self.stage = stage
        self.modes = modes
        self.rate = rate
        self.seed = seed
        self.folder = stage.folder()
        self.www = os.path.join(self.folder, "www")
        self.victims = []
        self.stops = []  # (begin, end) in ns: the server was told to stop
        self.targets = []
        self.swarm = Swarm(stage, self.folder)
        os.mkdir(self.www)
        data = pattern(max(FILES.values()))
        for name, size in FILES.items():
            with open(os.path.join(self.www, name), "wb") as f:
                f.write(data[:size])

    # ---- clients ----

    def send_clients(self, kinds):
        """Clients of these kinds to every address that has their handler."""
        for number, target in enumerate(self.targets):
            for kind, options in \
                    (LOADED if target.mode == "so" else kinds).items():
                handler = HANDLERS.get(kind, "http")
                if target.handler == handler and \
                        (target.mode != "defer" or kind == "half-open"):
                    self._send(number, target, kind, options)
        self.swarm.wait_started()

    def _send(self, number, target, kind, options):
        options = dict(options)
        share = options.pop("share", None)
        if share is not None:
            options["rate"] = max(1, int(self.rate * share / len(self.modes)))
        if kind not in HANDLERS and "text" not in options:
            options["path"] = "/" + options.get("path", "small")
            options["bytes"] = FILES[options["path"][1:]]
        self.swarm.add(f"{kind}-{target.mode}", kind, target.client,
                       seed=self.seed * 1000 + number, timeout_ms=TIMEOUT_MS,
                       **options)

    # ---- whose failure ----

    def take(self, pid, most=None):
        """Stop this child and note what it holds, and how many of these its
        death may cost at most."""
        ports = [t.port for t in self.targets if t.port]
        victim = Victim(pid, self.pid, ports)
        victim.most = most
        self.victims.append(victim)
        return victim

    def is_excused(self, failure):
        """Was it in the hands of a killed child, or an attempt to reach a
        server that had been told to stop?"""
        kind = failure["failure"]
        if failure["kind"] == "packets":
            return self._is_excused_packet(failure)
        owners = [v for v in self.victims if v.owns(failure)]
        if owners:
            owners[0].cost += 1
            return owners[0].may_cost() and (
                kind in LOSSES or
                kind == "timeout" and any(v.hung for v in owners))
        if kind == "wrong_bytes" or failure["received"] > 0:
            return False
        # Of a connection that waits for its question in the kernel no server
        # knows anything: it cannot outlive the one it was made to.
        deferred = failure["client"] == DEFERRED
        return any((begin < failure["begun"] or deferred) and
                   begin < failure["at"] and
                   (failure["at"] < end or
                    deferred and failure["begun"] < end)
                   for begin, end in self.stops)

    def _is_excused_packet(self, failure):
        """Nobody can say who had read a packet: as many as a batch may be
        missing of those sent just before a child was stopped to be killed. A
        server that stops closes its sockets with what comes last."""
        begun = failure["begun"]
        if failure["failure"] == "wrong_bytes":
            return False
        if any(begin - IN_HANDS_NS < begun < end
               for begin, end in self.stops):
            return True
        for victim in self.victims:
            if victim.stopped_ns - victim.in_hands_ns < begun and \
                    begun < victim.still_ns and victim.packets < BATCH:
                victim.packets += 1
                return True
        return False

    def divide_failures(self):
        """Those that the server has to answer for, and the others."""
        lost, excused = [], []
        packets = [(due + latency, latency) for due, latency, _ in
                   self.swarm.samples("packets")]
        for victim in self.victims:
            victim.packets = victim.cost = 0
            victim.in_hands_ns = max([IN_HANDS_NS] + [
                latency for at, latency in packets
                if victim.stopped_ns - THEN_NS < at < victim.still_ns])
        for failure in self.swarm.failures():
            (excused if self.is_excused(failure) else lost).append(failure)
        return lost, excused


def free_ports(n):
    """Different ones that nobody listens on now."""
    ports = set()
    while len(ports) < n:
        ports.add(net.free_port())
    return sorted(ports)
