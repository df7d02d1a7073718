# SPDX-License-Identifier: BSD-2-Clause
"""What the service manager hears: readiness, reloads, the end, the watchdog,
and which sockets it is to keep. The messages themselves are in
tests/unit/test_notify.c."""

import os
import signal
import time

import pytest

import net
import procs
from notify import Manager

LISTEN = ["-l", "tcp://127.0.0.1:0"]


@pytest.fixture
def manager():
    made = []

    def make(**options):
        made.append(Manager(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_ready_comes_once_and_after_the_last_child(tine, manager):
    m = manager()
    t = tine(*LISTEN, "-n", "3", "echo", env=m.env())
    m.wait("READY", "1")
    assert len(t.children()) == 3
    assert m.said("READY") == ["1"]
    # The pid never changes, so nobody needs to be told.
    assert m.said("MAINPID") == []
    m.wait("STATUS", ".*3 children.*")


def test_no_readiness_while_no_child_is_ready(tine, manager, stage):
    m = manager()
    t = tine(*LISTEN, "-n", "1", stage.handler("never_ready"), env=m.env(),
             ready=False)
    # It asks for the time that a start may take.
    more = m.wait("EXTEND_TIMEOUT_USEC", r"\d+")
    assert int(more["EXTEND_TIMEOUT_USEC"]) >= 30_000_000
    procs.eventually(lambda: os.path.exists(t.control), 10, "control socket")
    assert m.said("READY") == []


def test_the_end_is_said_when_it_begins(tine, manager):
    m = manager()
    t = tine(*LISTEN, "-n", "2", "echo", env=m.env())
    with t.connect() as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        t.signal(signal.SIGTERM)
        m.wait("STOPPING", "1")
        more = m.wait("EXTEND_TIMEOUT_USEC", r"3\d{7}", first=0)
        assert int(more["EXTEND_TIMEOUT_USEC"]) >= 30_000_000
        assert t.process.poll() is None
    t.wait()


def write(folder, *ports, handler="echo"):
    path = f"{folder}/tine.yaml"
    listens = ", ".join(f'"tcp://127.0.0.1:{port}"' for port in ports)
    with open(path, "w", encoding="ascii") as f:
        f.write(f"""
processes: 2
timing: {{ prove: 0, commit: 0 }}
servers:
- handler: {handler}
  listen: [ {listens} ]
""")
    return path


def test_a_reload_is_announced_and_ends_with_ready(tine, manager, folder):
    m = manager()
    port = net.free_port()
    t = tine("-c", write(folder, port), env=m.env(), folder=folder)
    m.wait("READY", "1")
    first = m.count()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    t.signal(signal.SIGHUP)
    said = m.wait("RELOADING", "1", first=first)
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(said["MONOTONIC_USEC"]) <= after
    m.wait("READY", "1", first=first)
    assert m.said("READY", first) == ["1"]


def test_a_reload_that_fails_ends_with_ready_too(tine, manager, folder, stage):
    m = manager()
    port = net.free_port()
    t = tine("-c", write(folder, port), env=m.env(), folder=folder,
             reports=True)
    m.wait("READY", "1")
    first = m.count()
    write(folder, port, handler=stage.handler("crash_start"))
    assert t.tinectl("reload").returncode != 0
    m.wait("RELOADING", "1", first=first)
    m.wait("READY", "1", first=first)
    assert len(t.children()) == 2


def test_the_next_binary_goes_on_telling(tine, manager):
    m = manager()
    t = tine(*LISTEN, "-n", "2", "echo", env=m.env(WATCHDOG_USEC="1000000"))
    names = [f"tcp://127.0.0.1:{t.port()}#{i}" for i in (0, 1)]
    m.wait_names(names)
    first = m.count()
    assert t.tinectl("upgrade").returncode == 0
    m.wait("RELOADING", "1", first=first)
    m.wait("READY", "1", first=first)
    m.wait("WATCHDOG", "1", first=m.count())
    m.wait("STATUS", "serving: 2 of 2 .* generation 2", first=first)
    assert m.names() == names
    t.stop()
    m.wait_names([])


def test_the_watchdog_is_fed_while_a_child_is_well(tine, manager):
    m = manager()
    t = tine(*LISTEN, "-n", "1", "echo", env=m.env(WATCHDOG_USEC="1000000"))
    m.wait("READY", "1")
    for _ in range(4):
        m.wait("WATCHDOG", "1", timeout=5, first=m.count())
    (victim,) = t.children().values()
    os.kill(victim, signal.SIGSTOP)
    # Nobody serves: after `suspect` it falls silent.
    procs.eventually(lambda: t.children() == {}, 10, "the child is SUSPECT")
    first = m.count()
    net.wait_seconds(1.5)
    assert len(m.said("WATCHDOG", first)) <= 1
    os.kill(victim, signal.SIGCONT)
    m.wait("WATCHDOG", "1", timeout=10, first=m.count())


def test_a_watchdog_of_another_process_is_not_fed(tine, manager):
    m = manager()
    t = tine(*LISTEN, "-n", "1", "echo",
             env=m.env(WATCHDOG_USEC="400000", WATCHDOG_PID="1"))
    m.wait("READY", "1")
    net.wait_seconds(1)
    assert m.said("WATCHDOG") == []
    t.stop()


def test_every_slot_is_stored_under_its_url_and_index(tine, manager, folder):
    m = manager()
    path = f"{folder}/a%b.sock"
    t = tine(*LISTEN, "-l", f"unix://{path}", "-n", "3", "echo", env=m.env(),
             folder=folder)
    url = f"tcp://127.0.0.1:{t.port()}"
    m.wait_names([f"{url}#0", f"{url}#1", f"{url}#2", f"unix://{path}#0"])
    # What is shut down must not leave the store by itself.
    assert set(m.said("FDPOLL")) == {"0"}


def test_nothing_is_stored_after_a_stop(tine, manager):
    m = manager()
    t = tine(*LISTEN, "-n", "2", "echo", env=m.env())
    m.wait_names([f"tcp://127.0.0.1:{t.port()}#{i}" for i in (0, 1)])
    address = t.address()
    t.stop()
    m.wait_names([])
    assert net.is_refused(address)


def test_the_slot_of_a_new_place_is_stored_too(tine, manager):
    m = manager()
    t = tine(*LISTEN, "-n", "2", "echo", env=m.env())
    url = f"tcp://127.0.0.1:{t.port()}"
    assert t.tinectl("scale", 3).returncode == 0
    m.wait_names([f"{url}#{i}" for i in range(3)])


def test_a_listener_that_a_reload_removes_is_forgotten(tine, manager, folder):
    m = manager()
    one, two = net.free_port(), net.free_port()
    t = tine("-c", write(folder, one, two), env=m.env(), folder=folder)
    m.wait_names([f"tcp://127.0.0.1:{p}#{i}" for p in (one, two)
                  for i in (0, 1)])
    write(folder, two)
    assert t.tinectl("reload").returncode == 0
    m.wait_names([f"tcp://127.0.0.1:{two}#{i}" for i in (0, 1)])
    assert net.is_refused(("127.0.0.1", one))


def test_a_service_manager_that_does_not_read_holds_nobody_up(tine, manager):
    m = manager(reads=False)
    t = tine(*LISTEN, "-n", "24", "echo", env=m.env())
    with t.connect() as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    m.read()
    m.wait("READY", "1")
    m.wait_names([f"tcp://127.0.0.1:{t.port()}#{i}" for i in range(24)])


def test_one_that_is_not_there_is_said_once(tine):
    t = tine(*LISTEN, "-n", "2", "echo",
             env={"NOTIFY_SOCKET": "/nonexistent/notify"})
    assert t.tinectl("status").returncode == 0
    assert len(t.log("tell the service manager")) == 1
    t.stop()


def test_in_the_background_the_master_says_which_process_it_is(
        background, manager):
    m = manager()
    t = background(*LISTEN, "-n", "1", "echo", start=False)
    t.options["env"] = {**os.environ, **m.env()}
    assert t.run().returncode == 0
    assert m.wait("READY", "1")["MAINPID"] == str(t.pid)
    t.stop()
