# SPDX-License-Identifier: BSD-2-Clause
"""The scenarios of gnet's own tests, on this server: the echo matrix, several
addresses at once, ends of connections and of the server from everywhere,
options of each kind, proxies, bad addresses."""

import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import dispatch
import net
import packets
import procs

MIB = 1 << 20
GREETING = b"hello\n"
LISTEN = ("-l", "tcp://127.0.0.1:0", "-l", "udp://127.0.0.1:0", "-l",
          "unix://socket")
# Who accepts, and who is chosen: all pairs that go together.
MODES = [("reuseport", "kernel"), ("reuseport", "source-hash"),
         ("reuseport", "random"), ("shared", "kernel"),
         ("dispatch", "round-robin"), ("dispatch", "least-connections"),
         ("dispatch", "source-hash"), ("dispatch", "random")]
WAYS = ["write", "writev", "write-to", "writev-to"]
CLIENTS = 10


def at_once(work, arguments):
    """Do all of it in threads; the first error is raised."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(work, arguments))


def exchange(s, data):
    """Write it all, and read as much at the same time."""
    sender = threading.Thread(target=s.sendall, args=(data,))
    sender.start()
    got = net.recv_exact(s, len(data))
    sender.join()
    return got


# ---- the echo matrix ----

def stream_client(t, i, seed):
    rng = random.Random(seed)
    s = t.connect(i, timeout=30)
    assert net.recv_exact(s, len(GREETING)) == GREETING
    for size in (int(2 ** rng.uniform(0, 16)), int(2 ** rng.uniform(0, 20)),
                 rng.choice([MIB, MIB - 1, 65536, 65537])):
        data = rng.randbytes(size)
        assert exchange(s, data) == data, (seed, size)
    s.close()


def packet_client(t, i, seed):
    rng = random.Random(seed)
    size = rng.choice([1, 512, 1472, 9000, 60000])
    with packets.client(*t.address(i), timeout=30) as s:
        for _ in range(50):
            data = rng.randbytes(size)
            s.send(data)
            assert s.recv(70000) == data, (seed, size)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("accept,balance", MODES)
def test_ten_clients_of_tcp_udp_and_unix_get_every_byte_back(
        tine, stage, accept, balance, way):
    t = tine(*LISTEN, "-n", 3, "-a", accept, "-b", balance,
             stage.handler("parrot"), f"how={way}")
    if accept == "dispatch":
        dispatch.wait_ready(t)
    kinds = [(stream_client, 0)] * 4 + [(packet_client, 1)] * 3 + \
        [(stream_client, 2)] * 3
    at_once(lambda n: kinds[n][0](t, kinds[n][1], n), range(CLIENTS))
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)
    totals = t.status()["totals"]
    assert totals["accepted"] == 7
    # The greetings are said, not heard.
    assert totals["bytes_out"] == totals["bytes_in"] + 7 * len(GREETING)
    assert not t.obituaries()


def test_two_addresses_of_each_kind_in_one_server(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "tcp://127.0.0.2:0",
             "-l", "udp://127.0.0.1:0", "-l", "udp://127.0.0.2:0",
             "-l", "unix://one", "-l", "unix://@" + random.randbytes(8).hex(),
             "-n", 2, stage.handler("parrot"))
    assert len(t.listeners) == 6
    streams, others = (0, 1, 4, 5), (2, 3)
    at_once(lambda n: stream_client(t, streams[n % 4], n), range(8))
    at_once(lambda n: packet_client(t, others[n % 2], n), range(4))


# ---- the end of a connection ----

def start_ender(tine, stage, n=1):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "tcp://127.0.0.1:0?backlog=100",
             "-l", "unix://stopper", "-l", "udp://127.0.0.1:0", "-n", n, "-o",
             "timing.keepalive-grace=0", stage.handler("ender"))
    return t


def greeted(t, i=0):
    s = t.connect(i)
    assert net.recv_exact(s, len(GREETING)) == GREETING
    return s


def say(s, line):
    s.sendall(line + b"\n")
    assert net.recv_exact(s, len(line) + 1) == line + b"\n"


def no_close_was_missed(t):
    """After the end: what all children together opened and closed."""
    ends = [line.rpartition("opened ")[2].split(", closed ")
            for line in t.log("opened [0-9]+, closed [0-9]+")]
    assert len(ends) == t.ready
    assert all(opened == closed for opened, closed in ends), ends
    return sum(int(opened) for opened, _ in ends)


@pytest.mark.parametrize("how", ["close", "call", "thread", "post", "timer"])
def test_a_connection_is_closed_from_everywhere(tine, stage, how):
    t = start_ender(tine, stage)
    socks = [greeted(t) for _ in range(CLIENTS)]
    for s in socks:
        # What was written before the close comes out.
        say(s, how.encode())
        assert s.recv(1) == b""
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)
    t.stop()
    assert no_close_was_missed(t) == CLIENTS


def test_a_connection_is_closed_in_open_after_its_greeting(tine, stage):
    t = start_ender(tine, stage)
    for _ in range(CLIENTS):
        assert greeted(t, 1).recv(1) == b""
    t.stop()
    assert no_close_was_missed(t) == CLIENTS


def test_a_connection_is_closed_by_the_callback_of_another(tine, stage):
    t = start_ender(tine, stage)
    for _ in range(CLIENTS):
        one, other = greeted(t), greeted(t)
        say(one, b"mark")
        say(other, b"other")
        assert one.recv(1) == b""
        say(other, b"still there")
    t.stop()
    assert no_close_was_missed(t) == 2 * CLIENTS


def test_an_abort_is_a_reset(tine, stage):
    t = start_ender(tine, stage)
    s = greeted(t)
    s.sendall(b"abort\n")
    with pytest.raises(ConnectionResetError):
        s.recv(100)
    t.stop()
    assert no_close_was_missed(t) == 1


def test_clients_that_close_are_told_to_the_handler(tine, stage):
    t = start_ender(tine, stage, n=2)
    for n in range(CLIENTS):
        s = greeted(t)
        if n % 2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         net.struct.pack("ii", 1, 0))
        s.close()
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)
    t.stop()
    assert no_close_was_missed(t) == CLIENTS


# ---- the end of the server ----

def stop_by_datagram(t):
    with packets.client(*t.address(3)) as s:
        s.send(b"stop")


STOPS = {
    "data": lambda t: greeted(t).sendall(b"stop\n"),
    "tick": lambda t: greeted(t).sendall(b"tick\n"),
    "open": lambda t: t.connect(2),
    "datagram": stop_by_datagram,
}


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("place", sorted(STOPS))
def test_a_stop_from_everywhere_ends_ten_clients(tine, stage, place, n):
    t = start_ender(tine, stage, n)
    socks = [greeted(t) for _ in range(CLIENTS)]
    STOPS[place](t)
    for s in socks:
        assert s.recv(1) == b""
    assert t.wait(20) == 0
    assert no_close_was_missed(t) == \
        CLIENTS + (0 if place == "datagram" else 1)


# ---- options, proxies, addresses ----

def test_options_of_streams_are_refused_for_packets(run_tine):
    for option in ("nodelay=on", "keepalive=60s", "backlog=5", "fastopen=5",
                   "defer-accept=1s"):
        done = run_tine("-C", "none", "-l", f"udp://127.0.0.1:0?{option}",
                        "echo")
        assert done.returncode == 78
        assert option.partition("=")[0] in done.stderr


@pytest.mark.parametrize("url", [
    "tcp://127.0.0.1:80/path", "udp://127.0.0.1:80/path",
    "tcp://127.0.0.1:8\x01", "tcp://local\x07host:80", "unix://",
    "tcp://127.0.0.1", "udp://127.0.0.1", "sctp://127.0.0.1:80",
    "127.0.0.1", "//127.0.0.1:80", "://127.0.0.1:80"])
def test_a_bad_address_is_78_and_without_control_characters(run_tine, url):
    done = run_tine("-C", "none", "-l", url, "echo")
    assert done.returncode == 78, done.stderr
    assert all(c.isprintable() or c == "\n" for c in done.stderr)


@pytest.mark.parametrize("behind", ["tcp", "unix"])
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("n", [1, 3])
def test_a_proxy_passes_streams_on(tine, stage, before, behind, n):
    server = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://behind?mode=0666",
                  "-n", n, stage.handler("parrot"))
    to = {"tcp": f"tcp://127.0.0.1:{server.port()}",
          "unix": f"unix://{server.address(1)}"}[behind]
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://before", "-n", n,
             stage.example("proxy"), f"to={to}")
    at_once(lambda seed: stream_client(t, before, seed), range(CLIENTS))
    for x in (t, server):
        procs.eventually(lambda: x.status()["totals"]["connections"] == 0)


@pytest.mark.parametrize("behind", [0, 1])
def test_a_proxy_passes_packets_on_to_a_stream(tine, stage, behind):
    server = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://behind?mode=0666",
                  "-n", 2, "echo")
    to = [f"tcp://127.0.0.1:{server.port()}",
          f"unix://{server.address(1)}"][behind]
    t = tine("-l", "udp://127.0.0.1:0", "-n", 2, stage.handler("ferry"),
             f"to={to}")

    def client(seed):
        rng = random.Random(seed)
        with packets.client(*t.address(), timeout=30) as s:
            for _ in range(20):
                data = rng.randbytes(rng.randrange(1, 30000))
                s.send(data)
                assert s.recv(70000) == data

    at_once(client, range(CLIENTS))
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)
