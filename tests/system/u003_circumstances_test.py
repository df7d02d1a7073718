# SPDX-License-Identifier: BSD-2-Clause
"""Upgrades in all circumstances: however it was started, whatever it holds,
whatever else it is asked for."""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess

import pytest

import net
import procs
import upgrade

LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "2", *upgrade.QUICK)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def is_running(pid, path):
    return os.path.samefile(f"/proc/{pid}/exe", path)


def asked(t, address):
    s = t.connect(address=address)
    s.sendall(b"hello")
    assert net.recv_exact(s, 5) == b"hello"
    s.close()


def test_started_by_a_relative_path(tine, stage, folder):
    os.mkdir(f"{folder}/sub", 0o755)
    own = upgrade.put(stage.tine, f"{folder}/sub/tine")
    t = tine(*LISTEN, "echo", folder=folder, program="./sub/tine")
    upgrade.put(stage.tine, own)
    assert not is_running(t.pid, own)
    upgrade.good(t)
    assert is_running(t.pid, own)


def test_a_daemon_started_by_a_relative_path(background, stage):
    folder = stage.folder()
    own = upgrade.put(stage.tine, f"{folder}/tine")
    t = background("-l", "unix://./echo.sock", "-n", "2", *upgrade.QUICK,
                   "echo", folder=folder, start=False)
    t.argv[0] = "./tine"
    assert t.run().returncode == 0, t.done.stderr
    pid = t.pid
    path, control = f"{folder}/echo.sock", f"{folder}/control.sock"
    inodes = [os.stat(p).st_ino for p in (path, control)]
    for _ in range(2):
        upgrade.put(stage.tine, own)
        done = ctl(stage, control, "upgrade")
        assert done.returncode == 0, done.stderr + t.log
        assert is_running(pid, own)
        assert [os.stat(p).st_ino for p in (path, control)] == inodes
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(b"x")
            assert s.recv(1) == b"x"
    assert t.pid == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    # And a reload still finds what was relative then.
    assert ctl(stage, control, "reload").returncode == 0


def ctl(stage, control, *args):
    return subprocess.run([stage.tinectl, "-C", control, *args],
                          capture_output=True, text=True, timeout=60,
                          check=False)


def test_started_by_a_name_in_the_path(tine, stage, folder):
    own = upgrade.put(stage.tine, f"{folder}/tine")
    t = tine(*LISTEN, "echo", program="tine",
             env={"PATH": f"{folder}:{os.environ['PATH']}"})
    upgrade.put(stage.tine, own)
    upgrade.good(t)
    assert is_running(t.pid, own)


def test_started_through_a_link_that_is_turned(tine, stage, folder):
    for name in ("v1", "v2"):
        os.mkdir(f"{folder}/{name}", 0o755)
        upgrade.put(stage.tine, f"{folder}/{name}/tine")
    os.symlink("v1", f"{folder}/current")
    t = tine(*LISTEN, "echo", folder=folder, program="current/tine")
    os.symlink("v2", f"{folder}/next")
    os.rename(f"{folder}/next", f"{folder}/current")
    upgrade.good(t)
    assert is_running(t.pid, f"{folder}/v2/tine")


def test_its_folder_is_gone(tine, stage, folder):
    own = upgrade.put(stage.tine, f"{folder}/tine")
    os.mkdir(f"{folder}/home", 0o755)
    t = tine(*LISTEN, "-C", f"{folder}/c.sock", "echo",
             folder=f"{folder}/home", program=own, control=None)
    t.control = f"{folder}/c.sock"
    shutil.rmtree(f"{folder}/home")
    upgrade.good(t)
    upgrade.good(t)
    os.mkdir(f"{folder}/home", 0o755)


@as_root
@pytest.mark.parametrize("proc", [["--mount-proc"], []])
def test_as_pid_1(tine, stage, folder, proc):
    own = upgrade.put(stage.tine, f"{folder}/tine")
    t = tine(*LISTEN, "echo", folder=folder, program=own,
             under=("unshare", "-pf", *proc))
    before = set(t.children().values())
    for _ in range(3):
        upgrade.put(stage.tine, own)
        upgrade.good(t)
    assert t.status()["master"]["pid"] == 1
    assert not before & set(t.wait_children(2).values())
    (pid,) = procs.children_of(t.pid)
    assert is_running(pid, own)
    asked(t, t.address())
    assert t.tinectl("stop").returncode == 0
    assert t.wait() == 0


def holder(path):
    """Who holds the lock of this file, as another process sees it."""
    with open(path, "r+b") as f:
        flock = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
        answer = fcntl.fcntl(f, fcntl.F_GETLK, flock)
    kind, _, _, _, pid = struct.unpack("hhqqi", answer)
    return pid if kind != fcntl.F_UNLCK else None


def test_the_pidfile_is_locked_all_the_time(tine, folder, run_tine):
    t = tine(*LISTEN, "-p", "tine.pid", "echo", folder=folder)
    inode = os.stat(f"{folder}/tine.pid").st_ino
    for _ in range(3):
        assert holder(f"{folder}/tine.pid") == t.pid
        upgrade.good(t)
    assert holder(f"{folder}/tine.pid") == t.pid
    done = run_tine(*LISTEN, "-C", "none", "-p", "tine.pid", "echo")
    assert done.returncode == 69
    assert os.stat(f"{folder}/tine.pid").st_ino == inode
    t.stop()
    assert not os.path.exists(f"{folder}/tine.pid")


@as_root
def test_root_refuses_what_others_can_have_put_there(tine, stage, folder):
    os.mkdir(f"{folder}/open", 0o755)
    own = upgrade.put(stage.tine, f"{folder}/open/tine")
    t = tine(*LISTEN, "echo", folder=folder, program=own)
    os.chmod(f"{folder}/open", 0o777)
    upgrade.bad(t, "open", "hint|chmod|;")
    os.chmod(f"{folder}/open", 0o755)
    os.chown(own, 65534, 65534)
    upgrade.bad(t, "tine")
    os.chown(own, 0, 0)
    upgrade.good(t)


@as_root
def test_root_with_children_of_another_user(tine):
    t = tine(*LISTEN, "-u", "nobody", "echo")
    upgrade.good(t)
    for pid in t.wait_children(2).values():
        assert procs.status_field(pid, "Uid").split()[0] == "65534"


@as_root
def test_a_server_without_privileges(tine, stage):
    folder = stage.folder()
    os.chown(folder, 65534, 65534)
    t = tine(*LISTEN, "echo", folder=folder, user="nobody")
    upgrade.good(t)
    upgrade.good(t)


def test_a_log_that_was_opened_anew(tine, folder):
    t = tine(*LISTEN, "-L", "tine.log", "echo", folder=folder)
    os.rename(f"{folder}/tine.log", f"{folder}/tine.log.1")
    assert t.tinectl("reopen").returncode == 0
    upgrade.good(t)
    with open(f"{folder}/tine.log", encoding="ascii") as f:
        assert "serves as generation 2" in f.read()
    os.rename(f"{folder}/tine.log", f"{folder}/tine.log.2")
    assert t.tinectl("reopen").returncode == 0
    upgrade.good(t)
    with open(f"{folder}/tine.log", encoding="ascii") as f:
        assert "serves as generation 3" in f.read()


# ---- together with other operations ----

def ask(t, line):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(t.control)
    s.sendall(line.encode() + b"\n")
    return s


def answer(s):
    with s:
        return net.recv_all(s).decode()


def test_three_at_once_are_at_most_two(tine):
    t = tine(*LISTEN, "echo")
    clients = [ask(t, "upgrade") for _ in range(3)]
    assert [answer(s)[:3] for s in clients] == ["ok\n"] * 3
    assert t.status()["master"]["upgrades"] in (1, 2)


def test_a_reload_an_upgrade_and_a_scale_all_happen(tine):
    t = tine(*LISTEN, "echo")
    for order in (("reload", "upgrade", "scale 3"),
                  ("upgrade", "reload", "scale 2"),
                  ("upgrade", "scale 4", "reload"),
                  ("scale 2", "reload", "upgrade")):
        before = t.status()["master"]
        clients = [ask(t, line) for line in order]
        for s in clients:
            assert answer(s).startswith("ok"), t.log()
        now = t.status()["master"]
        assert now["upgrades"] == before["upgrades"] + 1
        assert now["reloads"] == before["reloads"] + 1
        size = next(int(x.split()[1]) for x in order if "scale" in x)
        t.wait_children(size)
        procs.eventually(lambda: len(t.status()["children"]) == size,
                         what="the old ones are gone")


def test_what_is_asked_by_signals_is_done(tine):
    """HUP while it is between images becomes a reload."""
    t = tine(*LISTEN, "echo")
    for i in range(8):
        t.signal(signal.SIGUSR2)
        first = t.log_length()
        if i:
            t.wait_log("becoming tine", first=first)
        t.signal(signal.SIGHUP)
        procs.eventually(lambda: t.status()["master"]["reloads"] == i + 1, 20,
                         what="a reload")
        procs.eventually(lambda: t.status()["master"]["upgrades"] == i + 1,
                         20, what="an upgrade")


def test_a_thousand_signals_end_in_a_server_that_serves(tine):
    t = tine(*LISTEN, "-L", "tine.log", "echo")
    some = (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN,
            signal.SIGTTOU, signal.SIGCHLD, signal.SIGWINCH)
    for i in range(1000):
        t.signal(some[i * 7919 % len(some)])
        if i % 10 == 0:
            net.wait_seconds(0.005)
    procs.eventually(lambda: t.status()["master"]["state"] == "running", 60,
                     what="all was done")
    done = t.tinectl("upgrade")
    assert done.returncode == 0, done.stderr
    asked(t, t.address())


@pytest.mark.parametrize("mark", [
    "upgrade asked for", "becoming tine", "serves as generation 2"])
@pytest.mark.parametrize("how", ["TERM", "now"])
def test_a_stop_in_each_phase(tine, mark, how):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-o", "timing.prove=0",
             "-o", "timing.commit=5s", "echo")
    s = ask(t, "upgrade")
    t.wait_log(mark)
    if how == "TERM":
        t.signal(signal.SIGTERM)
    else:
        assert t.tinectl("stop", "--now").returncode == 0
    assert t.wait() == 0
    # Whoever waited was told; a client of the end itself may see nothing.
    said = answer(s)
    assert said.startswith(("fail", "ok")) or said == ""


def test_old_ones_that_drain_are_not_cut(tine):
    t = tine(*LISTEN, "-o", "max-old-generations=2", "-o",
             "drain-timeout=60s", "echo")
    held = []
    for _ in range(2):
        s = t.connect()
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        held.append(s)
        upgrade.good(t)
    waiting = ask(t, "upgrade")
    t.wait_log("upgrade asked for", count=3)
    assert t.status()["master"]["generation"] == 3
    for s in held:
        s.sendall(b"y")
        assert s.recv(1) == b"y"
    held[0].close()
    assert answer(waiting).startswith("ok")
    held[1].sendall(b"z")
    assert held[1].recv(1) == b"z"


def test_a_listener_that_was_left_is_closed_first(tine, folder):
    conf = f"{folder}/tine.yaml"

    def write(listens):
        with open(conf, "w", encoding="ascii") as f:
            f.write("processes: 2\ntiming: { prove: 0, commit: 0 }\n"
                    "servers:\n  - handler: echo\n    listen:\n"
                    + "".join(f"      - {x}\n" for x in listens))

    a, b = (f"tcp://127.0.0.1:{net.free_port()}" for _ in range(2))
    write([a, b])
    t = tine("-c", conf, folder=folder)
    before = upgrade.descriptors(t.pid)
    write([a])
    assert t.tinectl("reload").returncode == 0
    upgrade.good(t)
    assert len(t.status()["listeners"]) == 1
    assert net.is_refused(("127.0.0.1", int(b.rpartition(":")[2])))
    write([a, b])
    assert t.tinectl("reload").returncode == 0
    upgrade.same_descriptors(t, before)


def test_a_child_that_hangs_is_still_found(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", *upgrade.QUICK, "-o",
             "timing.suspect=1s", "-o", "hang-timeout=8s", "echo")
    stopped = t.children()[1]
    os.kill(stopped, signal.SIGSTOP)
    t.wait_log("its heart has not beaten")
    upgrade.good(t)
    t.wait_children(3)
    t.wait_log(f"pid {stopped}.*ended", timeout=40)


def test_a_place_that_crashes_again_and_again_keeps_its_patience(
        tine, stage, folder):
    game = upgrade.put(stage.handler("crash_later"), f"{folder}/game.so",
                       0o644)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", *upgrade.QUICK, game,
             "place=1", "after=10ms", folder=folder, reports=True)
    t.wait_log(r"child 1 .*ended: (signal 11|exit code 1)", count=6, timeout=30)
    restarts = t.status()["master"]["crashes"]
    t.tinectl("upgrade")
    assert t.status()["master"]["crashes"] >= restarts
    upgrade.put(stage.handler("whoami"), game, 0o644)


def test_a_place_that_was_left_names_no_generation_that_is_gone(tine):
    t = tine(*LISTEN, "echo")
    for n in ("3", "2"):
        assert t.tinectl("scale", n).returncode == 0
    for _ in range(2):
        assert t.tinectl("reload").returncode == 0
        upgrade.good(t)
    assert t.tinectl("scale", "3").returncode == 0
    assert len(t.wait_children(3)) == 3
