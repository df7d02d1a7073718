# SPDX-License-Identifier: BSD-2-Clause
"""What a child does to the sockets it shares is mended within a second, and
nobody has to be replaced for it but the socket."""

import os
import re
import shutil
import subprocess
import sys

import pytest

import net
import procs

# do= of the handler: what the log says of it.
MENDED = {
    "listen": ("backlog was lowered",),
    "nonblock": ("O_NONBLOCK was cleared",),
    "shutdown": ("was shut down",),
    # On the same port again, if it was bound to it by number.
    "elsewhere": ("was shut down", "backlog was lowered"),
    "linger": ("SO_LINGER was changed",),
}
SETTINGS = [
    "SO_REUSEPORT", "SO_INCOMING_CPU", "SO_DONTROUTE", "SO_RCVLOWAT",
    "SO_RCVBUF", "SO_SNDBUF", "SO_MAX_PACING_RATE", "IP_TTL", "IP_MINTTL",
    "TCP_DEFER_ACCEPT", "TCP_USER_TIMEOUT", "TCP_SYNCNT", "TCP_MAXSEG",
    "TCP_WINDOW_CLAMP", "TCP_CORK"]
MENDED.update({name: (f"{name} was changed",) for name in SETTINGS})
MEND_SECONDS = 5
AS_NOBODY = {"user": "nobody"} if os.getuid() == 0 else {}
LINE = (r"security: (\S+), the socket of (place \d+|all places): (.*), "
        r"by a child")


def can_filter():
    """Some kernels let only root attach a packet filter."""
    check = ("import ctypes, socket, struct\n"
             "s = socket.socket()\n"
             "code = struct.pack('HBBI', 6, 0, 0, 0)\n"
             "b = ctypes.create_string_buffer(code)\n"
             "s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("
             "'HxxxxxxQ', 1, ctypes.addressof(b)))")
    return subprocess.run(
        [sys.executable, "-c", check], **AS_NOBODY,
        stderr=subprocess.DEVNULL, check=False).returncode == 0


def without_root(folder):
    """Options for a server that is not root's, whoever runs the tests."""
    if os.getuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    return {"user": "nobody", "folder": folder}


def start(tine, stage, attack, *args, listen="tcp://127.0.0.1:0", n=2,
          **kwargs):
    t = tine("-l", listen, "-n", n, *args, stage.handler("hostile"),
             f"do={attack}", **kwargs)
    t.before = t.children()
    return t


def say_go(t):
    """The child that gets this attacks; it may not answer any more."""
    s = t.connect()
    try:
        s.sendall(b"go\n")
        s.recv(3)
    except OSError:
        pass


def serves(t, rounds=30):
    """Every slot's clients get their bytes back, whole and promptly."""
    for _ in range(rounds):
        with t.connect(timeout=5) as s:
            s.sendall(b"x" * 4000)
            assert net.recv_exact(s, 4000) == b"x" * 4000


def finding(t, first=0):
    return t.wait_log(LINE, MEND_SECONDS, first)


def assert_said_once(t):
    # A child may still have a slot that it once adopted.
    found = t.log("security")
    assert len(found) == len({re.search("place .", x).group() for x in found})


@pytest.mark.parametrize("attack", MENDED)
def test_what_a_child_changes_is_set_back(tine, stage, attack):
    t = start(tine, stage, attack)
    say_go(t)
    line = finding(t)
    words = MENDED[attack]
    assert any(w in line for w in words)
    assert t.listeners[0][0] in line and "place " in line
    serves(t)
    assert t.children() == t.before
    assert_said_once(t)


@pytest.mark.parametrize("attack", ["shutdown", "listen", "SO_LINGER"])
def test_a_socket_that_all_share_is_mended_too(tine, stage, attack):
    attack = attack.replace("SO_LINGER", "linger")
    t = start(tine, stage, attack, "-a", "shared")
    say_go(t)
    assert "the socket of all places" in finding(t)
    serves(t)
    assert t.children() == t.before


def test_a_program_on_the_group_is_detached(tine, stage):
    t = start(tine, stage, "steer", n=4)
    say_go(t)
    t.wait_log("security: .*steers connections", MEND_SECONDS)
    for _ in range(64):
        t.connect().sendall(b"x")
    procs.eventually(
        lambda: all(c["accepted"] for c in t.status()["children"]), 10,
        "every child has accepted something again")


def test_a_filter_is_taken_away(tine, stage):
    if not can_filter():
        pytest.skip("this kernel lets only root attach a filter")
    t = start(tine, stage, "filter")
    say_go(t)
    assert ": a packet filter was attached, by" in finding(t)
    serves(t)
    assert t.children() == t.before


def test_filters_that_are_locked_are_said_once(tine, stage):
    t = start(tine, stage, "lock")
    say_go(t)
    assert "filters were locked" in finding(t)
    net.wait_seconds(2.5)
    serves(t)
    assert len(t.log("security: .*place 0")) <= 1
    assert len(t.log("security: .*place 1")) <= 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_root_lets_a_device_go(tine, stage):
    t = start(tine, stage, "device")
    say_go(t)
    assert ": SO_BINDTODEVICE was changed, by" in finding(t)
    serves(t)
    assert t.children() == t.before


@pytest.mark.parametrize("mode", ["reuseport", "shared"])
def test_a_socket_that_cannot_be_mended_is_replaced(
        tine, stage, folder, mode):
    t = start(tine, stage, "device", "-a", mode, **without_root(folder))
    say_go(t)
    assert "cannot be mended, SO_BINDTODEVICE was changed" in finding(t)
    t.wait_log("replaces the damaged socket", MEND_SECONDS)
    serves(t)
    if mode == "reuseport":
        assert t.children() == t.before
    assert not t.log("cannot be replaced")


def test_a_unix_socket_that_was_shut_down_is_replaced(tine, stage):
    t = start(tine, stage, "shutdown", listen="unix://echo.sock", n=3)
    path = t.address()
    before = os.stat(path).st_ino
    say_go(t)
    assert "cannot be mended, was shut down" in finding(t)
    t.wait_log("replaces the damaged socket", MEND_SECONDS)
    serves(t)
    assert os.stat(path).st_ino != before
    t.stop()
    assert not os.path.exists(path)


def test_all_children_are_replaced_when_a_socket_they_share_was(tine, stage):
    t = start(tine, stage, "shutdown", listen="unix://echo.sock", n=3)
    say_go(t)
    t.wait_log("replaces the damaged socket", MEND_SECONDS)
    t.wait_children(3, without=t.before.values(), timeout=20)
    serves(t)
    assert t.status()["master"]["min_accepting"] == 3
    assert t.status()["master"]["crashes"] == 0


def test_a_socket_that_was_replaced_is_inherited(tine, stage, folder):
    t = start(tine, stage, "device", n=3, **without_root(folder))
    say_go(t)
    t.wait_log("replaces the damaged socket", MEND_SECONDS)
    for pid in t.children().values():
        os.kill(pid, 9)
    t.wait_children(3, without=t.before.values())
    net.wait_seconds(1.5)
    serves(t)
    assert_said_once(t)


def test_an_attack_each_tick_is_said_once(tine, stage):
    t = start(tine, stage, "linger", n=1)
    s = t.connect()
    for _ in range(40):
        s.sendall(b"go\n")
        assert net.recv_exact(s, 3) == b"go\n"
        net.wait_seconds(0.1)
    assert len(t.log("security")) == 1


@pytest.mark.parametrize("listen", [
    "tcp://127.0.0.1:0", "tcp://:0", "tcp://[::1]:0", "unix://echo.sock",
    "tcp://127.0.0.1:0?reuseport=true",
    "tcp://127.0.0.1:0?rcvbuf=65536&sndbuf=32768&defer-accept=5s&fastopen=16"
    "&backlog=7&keepalive=30s&nodelay=false"])
def test_nothing_is_found_where_nobody_attacks(tine, listen):
    t = tine("-l", listen, "-n", "3", "echo")
    end = t.log_length()
    for _ in range(30):
        serves(t, 3)
        net.wait_seconds(0.1)
    assert t.log("security|slot", end) == []


def test_nothing_is_found_after_options_changed_in_place(tine, folder):
    path = os.path.join(folder, "tine.yaml")

    def write(params):
        with open(path, "w", encoding="ascii") as f:
            f.write("timing: { prove: 0, commit: 0 }\nservers:\n"
                    f'  - listen: "tcp://127.0.0.1:{port}{params}"\n'
                    "    handler: echo\n")

    port = net.free_port()
    write("?defer-accept=5s&fastopen=16&sndbuf=40000&backlog=9")
    t = tine("-c", path, "-n", "2")
    end = t.log_length()
    for params in ("?sndbuf=60000", "?sndbuf=60000&rcvbuf=70000&backlog=3",
                   "?sndbuf=60000&rcvbuf=70000&defer-accept=3s"):
        write(params)
        assert t.tinectl("reload").returncode == 0
        net.wait_seconds(1.5)
    assert t.tinectl("scale", "4").returncode == 0
    net.wait_seconds(1.5)
    serves(t, 10)
    assert t.log("security", end) == []
