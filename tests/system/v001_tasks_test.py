# SPDX-License-Identifier: BSD-2-Clause
"""Work from elsewhere: threads wake, write to and close connections by handle,
post tasks and storms of them; work that blocks is offloaded; timers."""

import os
import random
import signal
import socket
import threading
import time

import pytest

import net
import procs

MIB = 1 << 20
STORM = 50000  # posts of each of the four threads


def start(tine, stage, *args, n=1, **kwargs):
    return tine("-l", "tcp://127.0.0.1:0", "-l", "unix://s", "-n", n, *args,
                stage.handler("elsewhere"), **kwargs)


def ask(sock, line):
    sock.sendall(line.encode() + b"\n")


def hear(sock, text):
    assert net.recv_exact(sock, len(text)) == text


def is_silent(sock, seconds=0.2):
    """Nothing comes, and no end either."""
    sock.settimeout(seconds)
    with pytest.raises(socket.timeout):
        sock.recv(1)
    sock.settimeout(10)
    return True


# ---- wakes ----

def test_another_thread_wakes_a_connection(tine, stage):
    t = start(tine, stage)
    s = t.connect()
    ask(s, "wake 3")
    hear(s, b"woken\n" * 3)
    assert is_silent(s)


def test_a_connection_is_woken_in_its_own_callback(tine, stage):
    t = start(tine, stage)
    s = t.connect()
    ask(s, "wake-self")
    hear(s, b"woken\n")
    assert is_silent(s)


def test_a_connection_is_woken_in_open_before_it_says_anything(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", stage.handler("elsewhere"), "wake=yes")
    s = t.connect()
    hear(s, b"woken\n")
    assert is_silent(s)


def test_a_connection_that_closed_is_not_woken(tine, stage):
    t = start(tine, stage)
    for _ in range(50):
        s = t.connect()
        ask(s, "bye 20")
        assert s.recv(1) == b""
        s.close()
    assert not t.obituaries()


def test_a_thread_that_keeps_a_handle_reaches_nobody_else(tine, stage):
    t = start(tine, stage)
    for _ in range(8):
        s = t.connect()
        ask(s, "late")
        assert s.recv(1) == b""
        s.close()
    # They get the descriptors and the objects of those that are gone.
    socks = [t.connect() for _ in range(8)]
    for s in socks:
        s.settimeout(1)
    for s in socks[:2]:
        with pytest.raises(socket.timeout):
            s.recv(1)
    for s in socks:
        s.settimeout(10)
        ask(s, "wake 1")
        hear(s, b"woken\n")
    assert not t.obituaries()


# ---- writes and closes ----

@pytest.mark.parametrize("listener", [0, 1])
def test_what_threads_echo_by_handle_is_what_was_sent(tine, stage, listener):
    t = start(tine, stage)
    errors = []

    def client(seed):
        rng = random.Random(seed)
        size = rng.choice([1, 1000, MIB - rng.randrange(1000), MIB])
        data = rng.randbytes(size)
        s = t.connect(listener)
        ask(s, "echo")
        writer = threading.Thread(target=s.sendall, args=(data,))
        writer.start()
        got = net.recv_exact(s, size)
        writer.join()
        if got != data:
            errors.append(f"seed {seed}, {size} bytes, {len(got)} came")

    threads = [threading.Thread(target=client, args=(seed,))
               for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors


def test_a_peer_that_is_gone_costs_nothing_but_its_bytes(tine, stage):
    t = start(tine, stage)
    for _ in range(10):
        s = t.connect()
        ask(s, "echo")
        s.sendall(os.urandom(200000))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     b"\1\0\0\0\0\0\0\0")
        s.close()
    s = t.connect()
    ask(s, "echo")
    s.sendall(b"still here")
    hear(s, b"still here")
    assert not t.obituaries()


def test_one_that_does_not_read_is_reset_at_the_cap(tine, stage):
    t = start(tine, stage, "-o", "servers.0.limits.output=256k",
              "-o", "servers.0.limits.output-high=128k")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(t.address())
    t.sockets.append(s)
    s.settimeout(10)
    ask(s, "echo")
    with pytest.raises(OSError) as e:
        for _ in range(1000):
            s.sendall(bytes(65536))
    assert not isinstance(e.value, socket.timeout)
    procs.eventually(lambda: t.status()["totals"]["dropped"] == 1, 10)


def test_another_thread_closes_and_the_output_is_out(tine, stage):
    t = start(tine, stage)
    for _ in range(20):
        s = t.connect()
        ask(s, "close")
        hear(s, b"goodbye\n")
        assert s.recv(1) == b""
        s.close()


# ---- posts ----

def test_a_storm_of_posts_does_not_stop_the_service(tine, stage):
    t = start(tine, stage)
    # A wake is urgent, an echo is not: both wait for the storm's turns.
    busy = t.connect(timeout=60)
    served = [t.connect() for _ in range(10)]
    for s in served:
        ask(s, "echo")
    done = threading.Event()
    times = []

    def keep_asking():
        while not done.is_set() or len(times) < 100:
            for s in served:
                begin = time.monotonic()
                s.sendall(b"x")
                hear(s, b"x")
                times.append(time.monotonic() - begin)

    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        for _ in range(3):
            ask(busy, f"storm {STORM}")
            hear(busy, b"stormed\n")
    finally:
        done.set()
        asker.join(60)
    times.sort()
    p99 = times[len(times) * 99 // 100]
    print(f"{len(times)} echoes, p50 {times[len(times) // 2] * 1e3:.2f} ms, "
          f"p99 {p99 * 1e3:.2f} ms, max {times[-1] * 1e3:.2f} ms")
    assert p99 < 1


def test_calls_of_the_loop_from_a_thread_are_refused_and_blamed(tine, stage):
    t = start(tine, stage)
    s = t.connect()
    for _ in range(2):
        ask(s, "foreign")
        hear(s, b"refused 1000\n")
    line = t.wait_log("from a thread that is not the loop's")
    assert "handler elsewhere: tine_write()" in line
    ask(s, "wake 1")
    hear(s, b"woken\n")
    assert len(t.log("is not the loop's")) == 1


# ---- offload ----

def test_blocking_work_blocks_nobody(tine, stage):
    t = start(tine, stage)
    a, b = t.connect(), t.connect()
    begin = time.monotonic()
    ask(a, "offload 1000")
    ask(b, "wake 1")
    hear(b, b"woken\n")
    assert time.monotonic() - begin < 1
    hear(a, b"slept\n")
    assert time.monotonic() - begin >= 1


def test_a_full_pool_is_an_error_that_the_handler_sees(tine, stage):
    t = start(tine, stage, "-o", "offload.threads=2", "-o", "offload.queue=3")
    s = t.connect()
    s.sendall(b"offload 500\n" * 6)
    hear(s, b"full\n" + b"slept\n" * 5)
    # There is room again.
    ask(s, "offload 1")
    hear(s, b"slept\n")


def test_threads_are_made_when_needed_and_have_names(tine, stage):
    t = start(tine, stage, "-o", "offload.threads=3")
    (pid,) = t.children().values()

    def names():
        found = []
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
                found.append(f.read().strip())
        return sorted(n for n in found if n.startswith("offload"))

    s = t.connect()
    assert names() == []
    ask(s, "offload 1")
    hear(s, b"slept\n")
    assert names() == ["offload-0"]
    s.sendall(b"offload 200\n" * 10)
    hear(s, b"slept\n" * 10)
    assert names() == ["offload-0", "offload-1", "offload-2"]


def test_a_crash_in_offloaded_work_names_the_handler(tine, stage):
    t = start(tine, stage, reports=True)
    ask(t.connect(), "crash")
    t.wait_log(r"ended: ")
    if not t.log("Sanitizer"):
        assert t.log(r"fatal signal 11 \(SIGSEGV\) in handler elsewhere, "
                     "callback offload$")
    t.wait_children(1)


@pytest.mark.parametrize("how", ["reload", "stop"])
def test_a_leaving_child_finishes_what_is_offloaded(tine, stage, how):
    t = start(tine, stage)
    (old,) = t.children().values()
    s = t.connect()
    ask(s, "offload 1500")
    ask(s, "wake 1")
    hear(s, b"woken\n")
    begin = time.monotonic()
    t.signal(signal.SIGHUP if how == "reload" else signal.SIGTERM)
    hear(s, b"slept\n")
    assert time.monotonic() - begin > 0.5
    s.close()
    procs.wait_gone([old], 10)
    if how == "reload":
        t.wait_children(1, without=[old])
    else:
        assert t.wait() == 0


def test_offloaded_work_without_a_connection_holds_the_child_too(tine, stage):
    t = start(tine, stage)
    (old,) = t.children().values()
    s = t.connect()
    ask(s, "offload 2000")
    ask(s, "wake 1")
    hear(s, b"woken\n")
    s.close()
    begin = time.monotonic()
    t.signal(signal.SIGTERM)
    assert t.wait() == 0
    assert 1 < time.monotonic() - begin < 10


@pytest.mark.parametrize("how", ["timeout", "now"])
def test_work_that_does_not_end_is_left_behind(tine, stage, how):
    t = start(tine, stage, "-o", "drain-timeout=1s",
              "-o", "timing.keepalive-grace=100ms")
    s = t.connect()
    s.sendall(b"offload 60000\n" * 6)
    ask(s, "wake 1")
    hear(s, b"woken\n")
    begin = time.monotonic()
    t.signal(signal.SIGTERM)
    if how == "now":
        t.signal(signal.SIGTERM)
    assert t.wait() == 0
    assert time.monotonic() - begin < 10
    assert all("exit code 0" in line or "signal" not in line
               for line in t.obituaries())
    assert not t.log("fatal signal")


# ---- timers ----

def test_a_timer_is_on_time_and_stops_with_the_child(tine, stage):
    t = start(tine, stage)
    (old,) = t.children().values()
    s = t.connect()
    begin = time.monotonic()
    ask(s, "timer 10")
    hear(s, b"." * 25)
    assert 0.2 < time.monotonic() - begin < 2.5
    # One with a long way to go.
    ask(t.connect(), "timer 60000")
    t.signal(signal.SIGHUP)
    s.close()
    t.close_sockets()
    procs.wait_gone([old], 20)
    t.wait_children(1, without=[old])


def test_children_come_and_go_while_threads_are_at_work(tine, stage):
    t = start(tine, stage, "-o", "timing.prove=0", "-o", "timing.commit=0",
              "-o", "timing.keepalive-grace=100ms", n=2)
    for _ in range(5):
        before = set(t.children().values())
        socks = [t.connect() for _ in range(6)]
        for s, line in zip(socks, ["wake 5000", "storm 5000", "offload 50",
                                   "timer 1", "late", "echo\nx"]):
            ask(s, line)
        assert t.tinectl("reload").returncode == 0
        for s in socks:
            s.close()
        procs.wait_gone(before, 20)
        t.wait_children(2)
    assert not t.log("fatal signal")
    t.stop()
