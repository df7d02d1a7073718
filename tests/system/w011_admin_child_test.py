# SPDX-License-Identifier: BSD-2-Clause
"""The admin child: one more process that counts nowhere, comes back when it
dies, follows what the service does, and leaves last."""

import ctypes
import json
import os
import signal
import socket
import threading
import time

import pytest

import http1
import net
import procs
from load import Client, never_happened, target

PIDFD_GETFD = 438
ADMIN = ("-A", "tcp://127.0.0.1:0")
ECHO = ("-l", "tcp://127.0.0.1:0", "echo")


def ask(t, path):
    with t.connect(-1) as s:
        answer = http1.ask(s, http1.get(path, "Connection: close"))
    return answer.status, answer.body


def ready(t):
    return ask(t, "/readyz")


def admin_pid(t):
    """Of a READY one: nobody waits for it at the start."""
    return wait_new_admin(t, None)


def wait_new_admin(t, old):
    def fresh():
        a = t.status()["admin"]
        return a["pid"] if a["state"] == "ready" and a["pid"] != old else None

    return procs.eventually(fresh, 10, "a new admin child")


def socket_inodes(pid):
    links = [os.readlink(f"/proc/{pid}/fd/{fd}")
             for fd in os.listdir(f"/proc/{pid}/fd")]
    return {x[len("socket:["):-1] for x in links if x.startswith("socket:[")}


def test_it_is_one_more_process_and_none_of_the_children(tine):
    t = tine(*ADMIN, "-n", "2", *ECHO)
    assert t.ready == 2
    assert len(procs.children_of(t.pid)) == 3
    status = t.status()
    assert [c["place"] for c in status["children"]] == [0, 1]
    admin = status["admin"]
    assert (admin["state"], admin["restarts"]) == ("ready", 0)
    assert admin["url"] == t.listeners[-1][0]
    assert "admin child" in procs.title(admin["pid"])
    shown = t.tinectl("status").stdout
    assert f"admin {admin['url']}, pid {admin['pid']}, ready" in shown


def test_no_other_child_has_its_socket_and_it_has_none_of_theirs(tine):
    t = tine(*ADMIN, "-n", "2", *ECHO)
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    inodes = {int(r[1].split(":")[1], 16): r[9] for r in rows if r[3] == "0A"}
    service, admin = inodes[t.port(0)], inodes[t.port(-1)]
    assert socket_inodes(admin_pid(t)) & {service, admin} == {admin}
    for pid in t.children().values():
        assert admin not in socket_inodes(pid)


def test_what_it_serves_is_not_in_the_totals(tine):
    t = tine(*ADMIN, "-n", "1", *ECHO)
    with t.connect(-1) as s:
        for _ in range(5):
            assert http1.ask(s, http1.get("/healthz")).status == 200
        totals = t.status()["totals"]
    assert not any(totals[name] for name in (
        "connections", "accepted", "requests", "bytes_in", "bytes_out",
        "dropped"))


def test_one_that_is_killed_is_back_at_once_and_is_no_crash(tine):
    t = tine(*ADMIN, "-n", "2", *ECHO)
    children = t.children()
    for n in range(1, 4):
        old = admin_pid(t)
        os.kill(old, signal.SIGKILL)
        # Who comes meanwhile waits in the queue.
        assert ask(t, "/healthz") == (200, b"ok\n")
        assert wait_new_admin(t, old) != old
        assert t.status()["admin"]["restarts"] == n
    assert t.children() == children
    master = t.status()["master"]
    assert (master["crashes"], master["min_accepting"]) == (0, 2)
    assert len(t.log(r"admin child \(pid \d+, gen 1\) ended: signal 9")) == 3


def test_one_that_hangs_is_aborted_and_is_no_hang_of_the_service(tine):
    t = tine(*ADMIN, "-o", "hang-timeout=2s", "-o", "timing.suspect=1s",
             "-n", "2", *ECHO)
    old = admin_pid(t)
    os.kill(old, signal.SIGSTOP)
    wait_new_admin(t, old)
    assert t.log(rf"admin child \(pid {old}\): hangs")
    assert ready(t) == (200, b"ready\n")
    master = t.status()["master"]
    assert (master["hangs"], master["crashes"]) == (0, 0)
    assert master["min_accepting"] == 2


def test_it_is_not_ready_while_the_server_starts(tine, stage):
    t = tine("-A", "unix://admin.sock", "-o", "start-timeout=2s",
             "-l", "tcp://127.0.0.1:0", "-n", "1",
             stage.handler("never_ready"), ready=False, code=69)
    path = os.path.join(t.folder, "admin.sock")
    t.listeners = [("unix://" + path, "status")]
    procs.eventually(lambda: os.path.exists(path), 10, "the admin socket")
    assert ready(t) == (503, b"starting\n")
    assert ask(t, "/healthz") == (200, b"ok\n")
    assert t.wait() == 69


def test_too_few_children_are_not_ready(tine):
    t = tine(*ADMIN, "-o", "hang-timeout=30s", "-o", "timing.suspect=1s",
             "-n", "2", *ECHO)
    victims = list(t.children().values())
    os.kill(victims[0], signal.SIGSTOP)
    try:
        procs.eventually(lambda: len(t.children("suspect")) == 1)
        assert ready(t) == (200, b"ready\n")
        os.kill(victims[1], signal.SIGSTOP)
        procs.eventually(lambda: len(t.children("suspect")) == 2)
        assert ready(t) == (503, b"too few children are ready\n")
    finally:
        for pid in victims:
            os.kill(pid, signal.SIGCONT)
    procs.eventually(lambda: ready(t)[0] == 200)


def test_it_says_that_we_stop_until_the_last_client_has_gone(tine):
    t = tine(*ADMIN, "-n", "2", *ECHO)
    held = t.connect()
    held.sendall(b"x")
    assert net.recv_exact(held, 1) == b"x"
    t.signal(signal.SIGTERM)
    t.wait_log("stopping")
    assert ready(t) == (503, b"stopping\n")
    procs.eventually(lambda: t.children("ready") == {})
    assert ready(t) == (503, b"stopping\n")
    assert ask(t, "/healthz") == (200, b"ok\n")
    held.close()
    assert t.wait() == 0
    t.wait_log("master: stopped")
    assert "admin child" in t.log("ended: ")[-1]


def test_during_the_drain_delay_all_are_served_but_none_invited(tine):
    t = tine(*ADMIN, "-o", "timing.drain-delay=2s", "-n", "2", *ECHO)
    t.signal(signal.SIGTERM)
    t.wait_log("accepting for 2 s more")
    assert ready(t) == (503, b"stopping\n")
    with t.connect() as s:
        s.sendall(b"x")
        assert net.recv_exact(s, 1) == b"x"
    old = admin_pid(t)
    os.kill(old, signal.SIGKILL)
    assert ready(t) == (503, b"stopping\n")
    assert t.wait() == 0


def test_a_client_that_does_not_leave_holds_up_no_stop(tine):
    t = tine(*ADMIN, "-n", "1", *ECHO)
    with t.connect(-1) as idle, t.connect(-1) as half:
        assert http1.ask(idle, http1.get("/healthz")).status == 200
        half.sendall(b"GET / HT")
        begin = time.monotonic()
        t.signal(signal.SIGTERM)
        assert t.wait() == 0
        assert time.monotonic() - begin < 8


def test_a_second_signal_ends_it_too(tine):
    t = tine(*ADMIN, "-n", "1", *ECHO)
    held = t.connect()
    held.sendall(b"x")
    assert net.recv_exact(held, 1) == b"x"
    t.signal(signal.SIGTERM)
    t.wait_log("stopping")
    t.signal(signal.SIGTERM)
    assert t.wait(5) == 0


def write_conf(folder, admin, text):
    path = os.path.join(folder, "tine.yaml")
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(f"admin: {admin}\nprocesses: 2\ntiming: {{ commit: 100ms }}\n"
                "servers:\n- listen: [ 'tcp://127.0.0.1:0' ]\n"
                f"  handler: http\n  options: {{ text: '{text}' }}\n")
    os.rename(path + ".new", path)
    return path


class Watch(threading.Thread):
    """Asks whether we are ready, over and over, on new connections or on one;
    notes what was not yes."""

    def __init__(self, t, *fields):
        super().__init__()
        self.t, self.fields = t, fields
        self.failed, self.asked = [], 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            with self.t.connect(-1) as s:
                self.ask_on(s)

    def ask_on(self, s):
        while not self.ended.is_set():
            answer = http1.ask(s, http1.get("/readyz", *self.fields))
            self.asked += 1
            if answer is None or answer.status != 200:
                self.failed.append(answer)
            if answer is None or \
                    answer.fields.get("connection", "") == "close":
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


@pytest.mark.parametrize("fields", [["Connection: close"], []],
                         ids=["new", "kept"])
def test_it_follows_a_reload_and_nobody_notices(tine, folder, fields):
    path = write_conf(folder, "tcp://127.0.0.1:0", "one")
    t = tine("-c", path, folder=folder)
    old = admin_pid(t)
    url = t.status()["admin"]["url"]
    with Watch(t, *fields) as watch:
        write_conf(folder, "tcp://127.0.0.1:0", "two")
        done = t.tinectl("reload")
        assert done.returncode == 0, done.stderr
        wait_new_admin(t, old)
        procs.eventually(lambda: not procs.is_alive(old))
    assert watch.asked > 1 and not watch.failed
    assert "gen 2" in procs.title(admin_pid(t))
    status = t.status()
    assert status["master"]["crashes"] == 0
    assert status["admin"]["url"] == url


@pytest.mark.parametrize("fields", [["Connection: close"], []],
                         ids=["new", "kept"])
def test_it_is_handed_over_in_an_upgrade_and_nobody_notices(tine, fields):
    t = tine(*ADMIN, "-o", "timing.commit=100ms", "-n", "2", *ECHO)
    old, url = admin_pid(t), t.status()["admin"]["url"]
    with Watch(t, *fields) as watch:
        done = t.tinectl("upgrade")
        assert done.returncode == 0, done.stderr
        wait_new_admin(t, old)
        procs.eventually(lambda: not procs.is_alive(old))
    assert watch.asked > 1 and not watch.failed
    assert len(t.log(rf"admin child \(pid {old}, gen 1\) ended: exit code 0"))
    status = t.status()
    assert status["master"]["upgrades"] == 1
    assert (status["admin"]["url"], status["admin"]["restarts"]) == (url, 1)


def test_a_reload_cannot_move_it(tine, folder):
    path = write_conf(folder, "tcp://127.0.0.1:0", "one")
    t = tine("-c", path, folder=folder)
    old = admin_pid(t)
    write_conf(folder, "unix://admin.sock", "two")
    done = t.tinectl("reload")
    assert done.returncode == 1
    assert "admin cannot change at a reload" in done.stderr
    assert admin_pid(t) == old
    assert ready(t) == (200, b"ready\n")


def test_scaling_leaves_it_alone(tine):
    t = tine(*ADMIN, "-n", "1", *ECHO)
    old = admin_pid(t)
    for n in (4, 2):
        assert t.tinectl("scale", n).returncode == 0
        assert len(t.children()) == n
        assert ready(t) == (200, b"ready\n")
    assert admin_pid(t) == old


def test_it_takes_a_new_log_as_all_do(tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine(*ADMIN, "-L", path, "-n", "1", *ECHO, folder=folder)
    os.rename(path, path + ".1")
    done = t.tinectl("reopen")
    assert done.returncode == 0, done.stderr
    pid = admin_pid(t)
    held = [os.readlink(f"/proc/{pid}/fd/{fd}")
            for fd in os.listdir(f"/proc/{pid}/fd")]
    assert path in held and path + ".1" not in held
    assert t.tinectl("log-level", "debug").returncode == 0


def test_it_leaves_when_the_master_dies(tine):
    t = tine(*ADMIN, "-n", "1", *ECHO)
    pid = admin_pid(t)
    with t.connect(-1) as idle:
        assert http1.ask(idle, http1.get("/healthz")).status == 200
        t.kill()
        assert not procs.wait_gone([pid], 15)


def borrow_listener(pid, name):
    """A copy of a process's listening socket, as if it acted itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket"):
                continue
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(number), 0)
            if fd == -1:
                pytest.skip("not allowed to borrow a descriptor")
            s = socket.socket(fileno=fd)
            if s.family == socket.AF_UNIX and s.getsockname() and \
                    os.path.basename(s.getsockname()) == name:
                return s
            s.close()
    finally:
        os.close(pidfd)
    raise AssertionError("no such socket")


def test_a_socket_that_it_has_ruined_is_replaced(tine):
    t = tine("-A", "unix://admin.sock", "-n", "1", *ECHO)
    old = admin_pid(t)
    with borrow_listener(old, "admin.sock") as s:
        s.shutdown(socket.SHUT_RDWR)
    t.wait_log("replaces the damaged socket")
    assert ready(t) == (200, b"ready\n")
    os.kill(admin_pid(t), signal.SIGKILL)
    assert ready(t) == (200, b"ready\n")


class Monitor(threading.Thread):
    """Asks `rate` times a second until end(); counts what is not 200."""

    def __init__(self, t, rate):
        super().__init__()
        self.t, self.gap = t, 1 / rate
        self.asked, self.bad = 0, []
        self.ended = threading.Event()

    def run(self):
        due = time.monotonic()
        paths = ("/metrics", "/status.json", "/readyz", "/healthz")
        with self.t.connect(-1) as s:
            while not self.ended.is_set():
                path = paths[self.asked % len(paths)]
                s.sendall(http1.get(path) * 20)
                for _ in range(20):
                    answer = http1.read_answer(s)
                    self.asked += 1
                    if answer is None:
                        self.bad.append("closed")
                        return
                    if answer.status != 200 and path != "/readyz":
                        self.bad.append(answer)
                    if path == "/status.json":
                        json.loads(answer.body)
                due += 20 * self.gap
                self.ended.wait(max(0, due - time.monotonic()))

    def end(self):
        self.ended.set()
        self.join()


@pytest.mark.load
def test_two_hundred_requests_a_second_do_not_disturb_a_storm(
        tine, stage, folder):
    t = tine(*ADMIN, "-l", "tcp://127.0.0.1:0", "-n", "4", "http", "text=whole")
    monitor = Monitor(t, 200)
    kills = 20
    with Client(stage, folder, "fresh", target(t.address()), rate=200,
                text="whole") as load:
        monitor.start()
        try:
            for n in range(kills):
                procs.eventually(lambda: monitor.asked >= n * 20 or
                                 not monitor.is_alive())
                children = t.wait_children(4)
                os.kill(children[0], signal.SIGKILL)
                t.wait_children(4, without=[children[0]])
        finally:
            monitor.end()
        report = load.finish()
    assert never_happened(report), report
    assert not monitor.bad
    assert monitor.asked >= (kills - 1) * 20
    status = t.status()
    assert status["master"]["crashes"] == kills
    assert status["admin"]["restarts"] == 0
