# SPDX-License-Identifier: BSD-2-Clause
"""UDP: every byte comes back, from the address that was asked, in batches; and
what an operator sees when an address or a handler does not fit."""

import os
import random
import signal
import socket
import struct

import pytest

import net
import procs
from notify import Sockets
from packets import ask, client, is_answered
from reload import QUICK, Site

LONGEST = 65507
V4, V6, MAPPED = "127.0.0.1", "::1", "::ffff:127.0.0.1"


def exchange(host, port, lengths, answer=lambda x: x):
    with client(host, port) as s:
        for n in lengths:
            data = os.urandom(n)
            s.send(data)
            assert s.recv(70000) == answer(data), n


@pytest.mark.parametrize("children", [1, 3])
@pytest.mark.parametrize("url,hosts", [
    ("udp://:0", [V4, V6, MAPPED, "127.0.0.5"]),
    ("udp4://:0", [V4, "127.0.0.5"]),
    ("udp6://:0", [V6]),
    ("udp://127.0.0.1:0", [V4]),
    ("udp6://[::1]:0", [V6]),
    ("localhost:0", None)])
def test_packets_of_all_lengths_come_back(tine, url, hosts, children):
    """connect() lets a client hear only the address that it has asked: so a
    wildcard answers from there."""
    if hosts is None:
        url, hosts = "udp://localhost:0", [V4]
    t = tine("-l", url, "-n", children, "echo")
    rng = random.Random(url)
    lengths = [0, 1, 1472, 1473, LONGEST]
    lengths += [rng.randrange(LONGEST + 1) for _ in range(20)]
    for host in hosts:
        for _ in range(3):
            exchange(host, t.port(), lengths)
    totals = t.status()["totals"]
    assert totals["requests"] == 3 * len(hosts) * len(lengths)
    assert totals["bytes_in"] == totals["bytes_out"] > 0
    assert totals["dropped"] == 0


def test_upper_and_discard_take_packets_too(tine):
    t = tine("-l", "udp://127.0.0.1:0", "upper")
    exchange(V4, t.port(), [0, 1, 5000, LONGEST], bytes.upper)
    t = tine("-l", "udp://127.0.0.1:0", "discard")
    with client(V4, t.port()) as s:
        s.send(b"x")
        procs.eventually(lambda: t.status()["totals"]["requests"] == 1, 5)
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(1)


def test_one_server_listens_on_both_kinds_and_the_same_port(tine):
    port = net.free_port()
    t = tine("-l", f"tcp://127.0.0.1:{port}", "-l", f"udp://127.0.0.1:{port}",
             "-l", "unix://s.sock", "-n", 2, "echo")
    exchange(V4, port, [100])
    for i in (0, 2):
        with t.connect(i) as s:
            s.sendall(b"abc")
            assert net.recv_exact(s, 3) == b"abc"
    slots = [x["slots"] for x in t.status()["listeners"]]
    assert slots == [2, 2, 1]


def test_a_batch_is_one_callback(tine, stage):
    """What has come while the child could not look comes together."""
    t = tine("-l", "udp://127.0.0.1:0", "-n", 1, stage.handler("packets"))
    child = t.children()[0]
    with client(V4, t.port()) as s:
        os.kill(child, signal.SIGSTOP)
        for _ in range(8):
            s.send(b"x")
        os.kill(child, signal.SIGCONT)
        answers = [s.recv(64).split() for _ in range(8)]
    assert len({calls for _, calls, _ in answers}) == 1
    assert [int(number) for _, _, number in answers] == list(range(8))


def test_a_handler_sends_to_anybody_and_ends_the_server(tine, stage):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 2, stage.handler("packets"))
    with client(V4, t.port()) as asker, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((V4, 0))
        other.settimeout(10)
        asker.send(b"tell %d" % other.getsockname()[1])
        assert other.recvfrom(64) == (b"news", (V4, t.port()))
        asker.send(b"stop")
    t.wait()
    t.close()


def test_clients_of_many_ports_reach_all_children(tine, stage):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 4, stage.handler("packets"))
    places = {ask(V4, t.port()).split()[0] for _ in range(100)}
    assert places == {b"0", b"1", b"2", b"3"}


# ---- multicast ----

def in_group(group, port, data, answers):
    """Send to the group on the loopback interface; how many answers come."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        lo = socket.if_nametoindex("lo")
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                     struct.pack("4s4si", bytes(4), bytes(4), lo))
        s.settimeout(10)
        s.sendto(data, (group, port))
        got = [s.recv(64) for _ in range(answers)]
        s.settimeout(0.3)
        with pytest.raises(TimeoutError):
            got.append(s.recv(64))
        return got


@pytest.mark.parametrize("children", [1, 3])
def test_a_packet_to_a_group_is_served_once(tine, children):
    t = tine("-l", "udp4://:0?multicast=239.77.1.1@lo,239.77.1.2@lo", "-n",
             children, "echo")
    for group in ("239.77.1.1", "239.77.1.2"):
        assert in_group(group, t.port(), b"x", 1) == [b"x"]
    in_group("239.77.1.3", t.port(), b"x", 0)
    exchange(V4, t.port(), [100])


def test_a_group_is_heard_by_a_socket_of_both_families_too(tine):
    t = tine("-l", "udp://:0?multicast=239.77.1.1@lo", "-n", 2, "echo")
    assert in_group("239.77.1.1", t.port(), b"x", 1) == [b"x"]


def test_a_killed_child_and_a_reload_keep_the_group(tine, stage, folder):
    text = QUICK + ("processes: 2\nservers: [ { listen: "
                    "[ 'udp4://:%d?multicast=%s@lo' ], handler: echo } ]\n")
    port = net.free_port()
    site = Site(tine, stage, folder, text % (port, "239.77.1.1"))
    child = site.tine.children()[0]
    os.kill(child, signal.SIGKILL)
    site.tine.wait_children(2, {child})
    assert in_group("239.77.1.1", port, b"x", 1) == [b"x"]
    site.reload(text % (port, "239.77.1.2"))
    assert in_group("239.77.1.2", port, b"x", 1) == [b"x"]
    in_group("239.77.1.1", port, b"x", 0)


def test_an_interface_that_is_not_there_is_named(run_tine):
    done = run_tine("-C", "none", "-l",
                    "udp4://:0?multicast=239.1.1.1@none0", "echo")
    assert done.returncode == 78
    assert "none0" in done.stderr and "ip link" in done.stderr


# ---- addresses that are taken, handlers that do not fit ----

def test_another_tine_is_named_by_its_masters_pid(run_tine, tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 2, "echo")
    for url in (f"udp://127.0.0.1:{t.port()}", f"udp4://:{t.port()}"):
        done = run_tine("-C", "none", "-l", url, "-n", "2", "upper")
        assert done.returncode == 69
        assert f"pid {t.pid}" in done.stderr
    assert all(ask(V4, t.port(), b"a") == b"a" for _ in range(40))


def test_a_foreign_program_is_named(run_tine):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((V4, 0))
        done = run_tine("-C", "none", "-l",
                        f"udp://127.0.0.1:{s.getsockname()[1]}", "echo")
    assert done.returncode == 69
    assert f"pid {os.getpid()}" in done.stderr


def test_a_stranger_cannot_take_the_port(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 1, "echo")
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError):
                s.bind((V4, t.port()))


def test_reuseport_in_the_url_shares_the_port(tine):
    port = net.free_port()
    url = f"udp://127.0.0.1:{port}?reuseport=true"
    tine("-l", url, "-n", 1, "echo")
    tine("-l", url, "-n", 1, "upper")
    assert {ask(V4, port, b"a") for _ in range(100)} == {b"a", b"A"}


@pytest.mark.parametrize("how", [["-t"], []])
def test_a_handler_without_datagram_is_refused(run_tine, how):
    done = run_tine("-C", "none", *how, "-l", "udp://127.0.0.1:0", "http")
    assert done.returncode == 78
    assert "http takes no UDP packets" in done.stderr
    assert "udp://127.0.0.1:0" in done.stderr


def test_options_of_sockets_work_for_packets_and_are_shown(run_tine, tine):
    url = "udp://127.0.0.1:0?rcvbuf=64k&sndbuf=64k&tos=16&freebind=true" \
        "&device=lo"
    done = run_tine("-T", "-l", url, "echo")
    assert done.returncode == 0
    assert "rcvbuf=64k" in done.stdout and "tos=16" in done.stdout
    t = tine("-l", url, "-n", 2, "echo")
    exchange(V4, t.port(), [100])


def test_a_single_process_serves_packets(tine):
    t = tine("-X", "-l", "udp://127.0.0.1:0", "echo", control=False)
    exchange(V4, t.port(), [0, 1000])


def test_the_metrics_count_packets(tine):
    t = tine("-l", "udp://127.0.0.1:0", "echo")
    exchange(V4, t.port(), [10, 10])
    done = t.tinectl("metrics")
    assert "tine_requests_total 2" in done.stdout


# ---- coming and going ----

def test_a_reload_adds_and_removes_udp(tine, stage, folder):
    text = QUICK + "processes: 2\nservers: [ { listen: [ %s ], " \
        "handler: echo } ]\n"
    one, two = (f"'udp://127.0.0.1:{net.free_port()}'" for _ in range(2))
    ports = [int(x.strip("'").rpartition(":")[2]) for x in (one, two)]
    site = Site(tine, stage, folder, text % one)
    site.reload(text % f"{one}, {two}")
    assert [is_answered(V4, p, 5) for p in ports] == [True, True]
    site.reload(text % two)
    procs.eventually(lambda: not is_answered(V4, ports[0]), 20,
                     "the first address is given up")
    assert is_answered(V4, ports[1])

    def is_free():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind((V4, ports[0]))
            except OSError:
                return False
        return True
    procs.eventually(is_free, 10, "others can bind it")


def test_a_reload_that_fails_leaves_udp_as_it_was(tine, stage, folder):
    port, busy = net.free_port(), net.free_port()
    text = QUICK + "processes: 2\nservers: [ { listen: [ %s ], " \
        "handler: echo } ]\n"
    site = Site(tine, stage, folder, text % f"'udp://127.0.0.1:{port}'")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((V4, busy))
        site.reload(text % f"'udp://127.0.0.1:{busy}'", code=1)
    assert is_answered(V4, port)


@pytest.mark.parametrize("name", ["dns.socket", ""])
def test_a_socket_that_was_handed_over_is_served(tine, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((V4, 0))
        port = s.getsockname()[1]
        with client(V4, port) as early:
            early.send(b"waits")
            t = tine("-l", f"udp://127.0.0.1:{port}", "-n", 2, "echo",
                     **Sockets((s, name)).options())
            assert early.recv(64) == b"waits"
        assert all(is_answered(V4, port, 10) for _ in range(20))
        t.stop()


def test_the_sockets_of_children_that_left_are_gone(tine):
    t = tine("-l", "udp://127.0.0.1:0", "-n", 1, "echo")
    before = procs.fd_kinds(t.pid)
    child = t.children()[0]
    kept = procs.fd_kinds(child)
    for _ in range(3):
        assert t.tinectl("scale", 4).returncode == 0
        assert t.tinectl("scale", 1).returncode == 0
        assert is_answered(V4, t.port(), 10)
    procs.eventually(lambda: procs.fd_kinds(t.pid) == before, 10,
                     "the master has what it had")
    procs.eventually(lambda: procs.fd_kinds(child) == kept, 10,
                     "the child has what it had")


# ---- a child that was taken over ----

DAMAGE = ["nonblock", "shutdown", "steer", "filter", "lock", "connect",
          "astray", "SO_REUSEPORT", "SO_RCVBUF", "SO_SNDBUF", "UDP_CORK",
          "UDP_SEGMENT", "SO_REUSEADDR", "IP_TTL"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_a_socket_is_mended(tine, stage, damage):
    t = tine("-l", "udp4://:0", "-n", 3, stage.handler("hostile"),
             f"do={damage}", reports=True)
    with client(V4, t.port(), 0.2) as s:
        s.send(b"go\n")
        try:
            s.recv(64)
        except OSError:
            pass
    t.wait_log("security: ", 10)

    def good():
        return all(is_answered(V4, t.port(), 2) for _ in range(60))
    procs.eventually(good, 20, "all clients are answered again")
