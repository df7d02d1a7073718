# SPDX-License-Identifier: BSD-2-Clause
"""The pidfile: -p, with and without -d. What it may overwrite and whom it
believes is in tests/unit/test_pidfile.c."""

import os
import stat
import subprocess

import pytest

import procs

LISTEN = ["-l", "tcp://127.0.0.1:0", "-n", "1"]


def test_the_foreground_writes_and_removes_one_too(tine, folder):
    t = tine(*LISTEN, "-p", "tine.pid", "echo", folder=folder)
    path = f"{folder}/tine.pid"
    with open(path, encoding="ascii") as f:
        assert f.read() == f"{t.pid}\n"
    st = os.stat(path)
    assert stat.S_IMODE(st.st_mode) == 0o644
    assert st.st_uid == os.geteuid()
    t.stop()
    assert not os.path.exists(path)


def test_a_second_server_is_69_and_names_the_first(tine, run_tine, folder):
    t = tine(*LISTEN, "-p", f"{folder}/tine.pid", "echo")
    done = run_tine(*LISTEN, "-C", "none", "-p", "tine.pid", "echo")
    assert done.returncode == 69
    assert f"tine.pid is held by tine (pid {t.pid})" in done.stderr
    with open(f"{folder}/tine.pid", encoding="ascii") as f:
        assert int(f.read()) == t.pid


def test_of_many_starts_at_once_one_wins(background, stage):
    folder = stage.folder()
    all_ = [background(*LISTEN, "echo", folder=folder, start=False)
            for _ in range(8)]
    for t in all_:
        # Sockets of their own: only the pidfile is disputed.
        t.argv[t.argv.index("control.sock")] = "none"
    callers = [t.popen() for t in all_]
    codes, texts = [], []
    for caller in callers:
        texts.append(caller.communicate(timeout=60)[1])
        codes.append(caller.returncode)
    assert sorted(codes) == [0] + [69] * 7, texts
    assert sum("is held by" in x for x in texts) == 7
    assert procs.title(all_[0].pid).startswith("tine: master")
    all_[0].stop()
    assert not os.path.exists(all_[0].path("tine.pid"))


def test_after_a_kill_the_next_start_takes_it_over_at_once(background):
    """Although children of the dead master may still be leaving."""
    t = background(*LISTEN, "echo")
    first = t.pid
    with t.connect() as s:
        s.sendall(b"x")
        os.kill(first, 9)
        assert not procs.wait_gone([first], 5)
        assert t.pid == first
        done = t.run()
    assert done.returncode == 0, done.stderr
    assert t.pid != first
    t.stop()


def test_a_failed_start_leaves_no_pidfile(run_tine, folder):
    done = run_tine("-l", "tcp://192.0.2.1:80", "-C", "none", "-p",
                    "tine.pid", "echo")
    assert done.returncode != 0
    assert os.listdir(folder) == []


def test_a_file_that_somebody_replaced_stays(tine, folder):
    t = tine(*LISTEN, "-p", "tine.pid", "echo", folder=folder)
    with open(f"{folder}/new", "w", encoding="ascii") as f:
        f.write("1\n")
    os.rename(f"{folder}/new", f"{folder}/tine.pid")
    t.stop()
    with open(f"{folder}/tine.pid", encoding="ascii") as f:
        assert f.read() == "1\n"


def make_link(path):
    os.symlink("/etc/passwd", path)


def make_fifo(path):
    os.mkfifo(path)


def make_foreign(path):
    with open(path, "w", encoding="ascii") as f:
        f.write("precious\n")


@pytest.mark.parametrize("make,why", [
    (make_link, "symbolic link"), (make_fifo, "not a regular file"),
    (make_foreign, "not a pidfile"), (os.mkdir, "directory")])
@pytest.mark.parametrize("mode", ["-d", "-t"])
def test_what_is_no_pidfile_is_73_and_untouched(run_tine, folder, make, why,
                                                mode):
    path = f"{folder}/tine.pid"
    make(path)
    before = os.lstat(path)
    done = run_tine(*LISTEN, mode, "-C", "none", "-L", "tine.log", "-p",
                    "tine.pid", "echo")
    if mode == "-t":
        # Nothing is opened for writing by a check.
        assert done.returncode == 0
    else:
        assert done.returncode == 73
        assert why in done.stderr and path in done.stderr
    after = os.lstat(path)
    assert (before.st_ino, before.st_mtime_ns, before.st_size) == \
        (after.st_ino, after.st_mtime_ns, after.st_size)


@pytest.mark.skipif(os.getuid() != 0, reason="starts tine as another user")
def test_a_folder_without_permission_is_77(run_tine, folder):
    done = run_tine(*LISTEN, "-C", "none", "-p", f"{folder}/tine.pid", "echo",
                    user="nobody", group="nogroup", extra_groups=[])
    assert done.returncode == 77
    assert f"{folder}/tine.pid" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="others trust their folders")
def test_root_refuses_a_folder_that_others_can_write(run_tine, folder):
    os.mkdir(f"{folder}/open")
    os.chmod(f"{folder}/open", 0o777)
    done = run_tine(*LISTEN, "-C", "none", "-p", "open/tine.pid", "echo")
    assert done.returncode == 73
    assert "can be written by others" in done.stderr
    assert os.listdir(f"{folder}/open") == []


def test_a_link_to_the_folder_is_followed(tine, folder):
    """/var/run is one."""
    os.mkdir(f"{folder}/run")
    os.symlink("run", f"{folder}/var")
    tine(*LISTEN, "-p", "var/tine.pid", "echo", folder=folder)
    assert os.path.exists(f"{folder}/run/tine.pid")


def test_kill_with_the_pid_of_the_file_stops_it(background):
    t = background(*LISTEN, "echo")
    subprocess.run(["sh", "-c", "kill $(cat tine.pid)"], cwd=t.folder,
                   check=True)
    procs.eventually(lambda: not os.path.exists(t.path("tine.pid")), 20,
                     "the end of the pidfile")
