# SPDX-License-Identifier: BSD-2-Clause
"""Several addresses at once, and the families that a scheme stands for."""

import socket

import pytest

import net


def echoes(sock):
    sock.sendall(b"ping")
    return sock.recv(4) == b"ping"


def test_several_addresses_are_served_at_once(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "tcp://[::1]:0",
             "-l", "unix://socket", "-n", "2", "echo")
    assert len(t.listeners) == 3
    assert echoes(t.connect(0))
    assert echoes(t.connect(1))
    assert echoes(t.connect(2))


def test_tcp_without_a_host_serves_both_families(tine):
    t = tine("-l", "tcp://:0", "-n", "2", "echo")
    assert echoes(t.connect(address=("127.0.0.1", t.port())))
    assert echoes(t.connect(address=("::1", t.port())))


def test_tcp4_without_a_host_serves_ipv4_only(tine):
    t = tine("-l", "tcp4://:0", "-n", "2", "echo")
    assert echoes(t.connect(address=("127.0.0.1", t.port())))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("::1", t.port()), 5)


def test_tcp6_without_a_host_serves_ipv6_only(tine):
    t = tine("-l", "tcp6://:0", "-n", "2", "echo")
    assert echoes(t.connect(address=("::1", t.port())))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", t.port()), 5)


def test_localhost_is_every_address_that_it_resolves_to(tine, fixed_ports):
    fixed_ports(9000)
    hosts = {a[4][0] for a in socket.getaddrinfo(
        "localhost", 9000, type=socket.SOCK_STREAM)}
    t = tine("-l", "localhost:9000", "-n", "2", "echo")
    assert len(t.listeners) == len(hosts)
    for host in hosts:
        assert echoes(t.connect(address=(host, 9000)))


def test_a_url_can_name_its_own_handler(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-l",
             "tcp://127.0.0.1:0?handler=upper", "-n", "2", "echo")
    answers = set()
    for i in (0, 1):
        s = t.connect(i)
        s.sendall(b"abc")
        answers.add((t.listeners[i][1], s.recv(3)))
    assert answers == {("echo", b"abc"), ("upper", b"ABC")}


@pytest.mark.parametrize("mode", ["auto", "reuseport", "shared"])
def test_every_accept_mode_serves(tine, mode):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://socket", "-n", "3",
             "-a", mode, "echo")
    for _ in range(10):
        assert echoes(t.connect(0))
        assert echoes(t.connect(1))


def test_auto_is_reuseport_for_tcp_and_shared_for_unix(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://socket", "-n", "3",
             "echo")
    assert [x["slots"] for x in t.status()["listeners"]] == [3, 1]


def test_connections_are_spread_over_all_children(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4", "-a", "reuseport",
             stage.handler("whoami"))
    places = [net.recv_line(t.connect()).split()[1] for _ in range(200)]
    for place in "0123":
        assert places.count(place) >= 20, places


def test_every_parameter_of_a_tcp_url_that_is_built_is_taken(tine):
    t = tine("-l", "tcp://127.0.0.1:0?backlog=100&nodelay=off&keepalive=60s"
             "&rcvbuf=64k&sndbuf=64k&defer-accept=1s&fastopen=16"
             "&freebind=true&device=lo", "-n", "2", "echo")
    assert echoes(t.connect())
    assert t.log("warn|error") == []


def test_a_backlog_over_the_kernels_limit_is_a_warning(tine):
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as f:
        most = int(f.read())
    t = tine("-l", f"tcp://127.0.0.1:0?backlog={most + 1}", "-n", "1", "echo")
    assert "somaxconn" in t.log("^tine: warn .*backlog")[0]
    assert echoes(t.connect())


def test_freebind_listens_on_an_address_that_is_not_there_yet(tine):
    t = tine("-l", "tcp://192.0.2.1:0?freebind=true", "-n", "1", "echo")
    assert t.address()[0] == "192.0.2.1"
