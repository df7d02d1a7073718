# SPDX-License-Identifier: BSD-2-Clause
"""tinectl log-level: everywhere at once, and in children that come later; what
each level says."""

import os
import signal

import logs
import net
import procs


def test_debug_tells_of_each_connection_in_two_lines(tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://sock", "-n", "1", "-L",
             path, "--log-level", "debug", "echo", folder=folder)
    for i in (0, 1):
        s = t.connect(i)
        s.sendall(b"hello")
        assert net.recv_exact(s, 5) == b"hello"
        s.close()
    procs.eventually(lambda: len([x for x in logs.read(path)
                                  if "closed:" in x]) == 2, 5)
    about = [x for x in logs.read(path) if " conn " in x]
    assert len(about) == 4
    tcp, unix = [x.split("opened from ")[1].split(" on ") for x in about
                 if "opened" in x]
    assert tcp[0].startswith("127.0.0.1:")
    assert tcp[1] == f"tcp://127.0.0.1:{t.port()}"
    assert unix[0] == f"pid {os.getpid()} uid {os.getuid()}"
    assert unix[1].startswith("unix://")
    for line in about:
        if "closed:" in line:
            m = logs.CLOSED.search(line)
            assert m.group(3) == "peer-eof"
            assert m.group(5, 6) == ("5", "5")


def test_a_reset_is_told_with_its_error(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "--log-level", "debug",
             "echo")
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    s.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_LINGER,
                 net.struct.pack("ii", 1, 0))
    s.close()
    t.wait_log(r"closed: reset after .*: Connection reset by peer$")


def test_the_level_changes_everywhere_at_once(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4", "echo")
    t.connect().close()
    assert t.tinectl("log-level", "debug").returncode == 0
    first = t.log_length()
    for _ in range(40):
        t.connect().close()
    t.wait_log("opened from", first=first, count=40)
    assert t.tinectl("log-level", "info").returncode == 0
    procs.eventually(lambda: t.status()["totals"]["connections"] == 0)
    first = t.log_length()
    for _ in range(40):
        t.connect().close()
    procs.eventually(lambda: t.status()["totals"]["accepted"] == 81)
    assert t.log("debug", first) == []


def test_a_child_that_comes_later_has_the_level(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    assert t.tinectl("log-level", "debug").returncode == 0
    assert t.tinectl("kill", 1).returncode == 0
    assert t.log("^tine: debug child 1: starting > prepared")


def test_the_change_is_in_the_log(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    assert t.tinectl("log-level", "warn").returncode == 0
    t.wait_log("info master: log level: warn, was info")
    assert t.tinectl("log-level", "debug").returncode == 0
    t.wait_log("info master: log level: debug, was warn")
    assert t.tinectl("log-level", "error").returncode == 0
    t.stop()
    assert t.log("info master: stopped") == []


def test_a_level_that_does_not_exist_is_an_error(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    done = t.tinectl("log-level", "dbug")
    assert done.returncode == 64
    assert "did you mean debug?" in done.stderr
    assert t.tinectl("log-level").returncode == 64


def test_a_stop_without_connections_is_not_talked_about(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    t.stop()
    assert t.log("draining, ") == []
    assert len(t.obituaries()) == 2
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    t.signal(signal.SIGTERM)
    t.wait_log("info child 0: draining, connections open: 1: stop")
    s.close()
    assert t.wait() == 0
