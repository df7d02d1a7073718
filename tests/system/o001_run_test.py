# SPDX-License-Identifier: BSD-2-Clause
"""Blocking style: each connection is a function of its own that waits."""

import os
import random
import re
import signal
import socket
import subprocess
import threading

import pytest

import net
import procs

LISTEN = ("-l", "tcp://127.0.0.1:0")


def blocking(tine, stage, *args, does="echo", n=1, **options):
    return tine(*LISTEN, "-n", n, stage.handler("blocking"), f"does={does}",
                *args, **options)


def exchange(sock, data):
    """Write all of it and read as much, at the same time."""
    got = []
    reader = threading.Thread(
        target=lambda: got.append(net.recv_exact(sock, len(data))))
    reader.start()
    sock.sendall(data)
    reader.join()
    return got[0]


# ---- bytes ----

def test_uppercase_echo_in_blocking_style(tine, fixed_ports, stage):
    fixed_ports(8888)
    tine("-l", "8888", stage.example("upper_run"), control=None)
    done = subprocess.run(["nc", "-N", "127.0.0.1", "8888"], check=True,
                          input=b"Hello World!\n", timeout=20,
                          capture_output=True)
    assert done.stdout == b"HELLO WORLD!\n"


@pytest.mark.parametrize("handler", ["run", "copy", "callbacks"])
def test_random_sizes_come_back_as_they_were(tine, stage, handler):
    module = {"run": stage.handler("blocking"),
              "copy": stage.example("echo_run"), "callbacks": "echo"}[handler]
    t = tine(*LISTEN, "-n", "1", module)
    dice = random.Random(5)
    with t.connect() as sock:
        for _ in range(40):
            data = dice.randbytes(int(2 ** dice.uniform(0, 20)))
            assert exchange(sock, data) == data
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


@pytest.mark.timeout(120)
def test_a_hundred_thousand_small_reads(tine, stage):
    t = blocking(tine, stage, "size=256", does="count")
    with t.connect() as sock:
        sock.sendall(bytes(256 * 100000))
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    t.wait_log("blocking: 25600000 bytes in ")


def test_ten_thousand_small_writes(tine, stage):
    t = blocking(tine, stage, "size=256", does="give")
    with t.connect() as sock:
        sock.sendall(b"go\n")
        assert len(net.recv_all(sock)) == 256 * 10000


def test_what_ten_clients_wrote_before_they_closed_arrives(tine, stage):
    t = blocking(tine, stage, does="count")
    for _ in range(10):
        with t.connect() as sock:
            sock.sendall(bytes(5000))
    t.wait_log("blocking: 5000 bytes in ", count=10)


# ---- two sides ----

def test_two_coroutines_are_a_proxy(tine, stage):
    echo = tine(*LISTEN, "-n", "1", "echo")
    t = blocking(tine, stage, f"to=tcp://localhost:{echo.port()}",
                 does="proxy")
    data = random.Random(7).randbytes(1 << 20)
    socks = [t.connect() for _ in range(20)]
    for sock in socks:
        assert exchange(sock, data[:50000]) == data[:50000]
    assert exchange(socks[0], data) == data
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    procs.eventually(lambda: t.status()["children"][0]["connections"] == 0)


def test_a_dial_that_fails_says_why(tine, stage):
    port = net.free_port()
    t = blocking(tine, stage, f"to=tcp://127.0.0.1:{port}", does="proxy")
    with t.connect() as sock:
        assert sock.recv(1) == b""
    t.wait_log("blocking: dial: Connection refused")


# ---- what does not go on ----

def test_a_peer_that_never_reads_ends_by_the_write_timeout(tine, stage):
    t = tine("-o", "servers.0.timeouts.write=1s", *LISTEN, "-n", "1",
             stage.handler("blocking"), "does=large")
    with t.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        t.wait_log("blocking: write: Connection timed out, some taken")


def test_a_reset_ends_a_read(tine, stage):
    t = blocking(tine, stage)
    with t.connect() as sock:
        assert exchange(sock, b"x") == b"x"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        b"\1\0\0\0\0\0\0\0")
    t.wait_log("blocking: read: Connection reset by peer")


# ---- the death of a child ----

@pytest.mark.parametrize("does, said", [
    ("overflow", r"fatal signal 11 \(SIGSEGV\): stack overflow in handler "
                 r"blocking, callback run, conn 1\.0"),
    ("crash", r"fatal signal 6 \(SIGABRT\) in handler blocking, callback "
              r"run, conn 1\.0")])
def test_a_crash_says_that_it_was_in_run(tine, stage, does, said):
    if "san" in os.path.basename(stage.build):
        pytest.skip("the sanitizer's own report is better")
    t = blocking(tine, stage, does=does, reports=True)
    with t.connect() as sock:
        sock.sendall(b"x")
        t.wait_log(said)
    t.wait_log("ended: signal ")


def test_a_child_that_hangs_in_run_is_named(tine, stage):
    t = tine("-o", "timing.suspect=1s", "-o", "hang-timeout=2s", *LISTEN,
             "-n", "1", stage.handler("blocking"), "does=hog", reports=True)
    with t.connect() as sock:
        sock.sendall(b"x")
        t.wait_log(r"hangs for .*: aborting it; .*run", timeout=30)


# ---- leaving ----

def crowd(t, n=200):
    socks = [t.connect() for _ in range(n)]
    for sock in socks:
        assert exchange(sock, b"here") == b"here"
    return socks


def test_a_reload_with_many_coroutines_loses_no_byte(tine, stage):
    t = blocking(tine, stage, n=2)
    old = set(t.children().values())
    socks = crowd(t)
    t.signal(signal.SIGHUP)
    procs.eventually(
        lambda: old.isdisjoint(t.children().values()) and t.children(),
        timeout=20)
    for sock in socks:
        assert exchange(sock, b"still") == b"still"
        sock.close()
    procs.wait_gone(old, 10)


def test_who_asks_leaves_when_the_child_drains(tine, stage):
    t = blocking(tine, stage, does="polite")
    socks = crowd(t, 50)
    t.signal(signal.SIGTERM)
    for sock in socks:
        assert net.recv_all(sock) == b"bye"
    assert t.wait() == 0


def test_at_the_drain_timeout_all_that_wait_are_told(tine, stage):
    t = tine("-o", "drain-timeout=1s", *LISTEN, "-n", "1",
             stage.handler("blocking"))
    socks = crowd(t)
    t.signal(signal.SIGTERM)
    for sock in socks:
        assert sock.recv(1) == b""
        sock.close()
    assert t.wait() == 0
    assert len(t.log("blocking: read: Cannot send after")) > 0


def test_coroutines_of_their_own_hold_nobody_up_and_are_woken(tine, stage):
    t = blocking(tine, stage, does="spawn")
    with t.connect() as sock:
        assert exchange(sock, b"x") == b"x"
    t.signal(signal.SIGTERM)
    assert t.wait() == 0
    t.wait_log("blocking: woken: Cannot send after transport")
    assert not t.log("did not return")


def test_a_killed_child_takes_its_own_coroutines_only(tine, stage):
    t = blocking(tine, stage, n=2)
    socks = crowd(t, 60)
    victim = t.children()[0]
    os.kill(victim, signal.SIGKILL)
    procs.wait_gone([victim], 10)
    t.wait_children(2, without=(victim,))
    lost = 0
    for sock in socks:
        try:
            sock.sendall(b"on")
            lost += net.recv_exact(sock, 2) != b"on"
        except (OSError, EOFError, AssertionError):
            lost += 1
        sock.close()
    assert 0 < lost < 60
    with t.connect() as sock:
        assert exchange(sock, b"new") == b"new"


# ---- what it costs ----

@pytest.mark.parametrize("handler", ["upper_run", "echo_run"])
def test_an_idle_connection_costs_little_more_than_its_stack(
        tine, stage, handler):
    t = tine(*LISTEN, "-n", "1", stage.example(handler))
    pid = t.children()[0]
    held = [t.connect() for _ in range(50)]
    before = procs.private_kib(pid)
    held += [t.connect() for _ in range(400)]
    for sock in held:
        assert exchange(sock, b"7") == b"7"
    each = (procs.private_kib(pid) - before) / 400
    print(f"{each:.1f} KiB for each idle connection")
    assert each < 100


def test_an_echo_is_one_read_and_one_write(tine, stage, folder):
    if subprocess.run(["strace", "-V"], stdout=subprocess.DEVNULL,
                      check=False).returncode != 0:
        pytest.skip("no strace")
    t = tine(*LISTEN, "-n", "1", stage.example("upper_run"))
    pid = t.children()[0]
    trace = f"{folder}/trace"
    with t.connect() as sock:
        assert exchange(sock, b"x") == b"X"
        strace = subprocess.Popen(
            ["strace", "-qq", "-o", trace, "-p", str(pid)])
        try:
            procs.eventually(
                lambda: procs.status_field(pid, "TracerPid") != "0")
            for _ in range(100):
                assert exchange(sock, b"ping") == b"PING"
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(20)
    with open(trace, encoding="ascii") as f:
        calls = re.findall(r"^(\w+)\(", f.read(), re.M)
    count = {c: calls.count(c) for c in set(calls)}
    print(count)
    # The first may have come before strace looked.
    assert 95 <= count["recvfrom"] <= 105
    assert 95 <= count["sendto"] <= 105
    assert count.get("epoll_ctl", 0) + count.get("mmap", 0) < 10


# ---- what is refused ----

def test_run_beside_data_is_refused(run_tine, stage):
    done = run_tine(*LISTEN, "-C", "none", stage.handler("both_styles"))
    assert done.returncode == 78
    assert "handler both_styles: it has run and data" in done.stderr
    assert "run is the whole life of a connection" in done.stderr
