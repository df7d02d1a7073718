# SPDX-License-Identifier: BSD-2-Clause
"""The error log: its places and its levels."""

import os
import re
import stat

import procs


def lines_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read().splitlines()


def test_a_log_file_has_the_time_the_level_and_who_in_each_line(tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", path,
             "--log-level", "debug", "echo")
    t.stop()
    lines = lines_of(path)
    assert lines
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
                        r"(error|warn|info|debug) (master|child \d+)", line)


def test_the_ready_line_stays_on_stderr_when_the_log_is_a_file(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", "tine.log", "echo")
    assert t.log("^tine: ready: ")
    assert os.path.exists(os.path.join(t.folder, "tine.log"))


def test_a_log_file_is_not_for_everybody(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", "tine.log", "echo")
    mode = os.stat(os.path.join(t.folder, "tine.log")).st_mode
    assert stat.S_IMODE(mode) & 0o007 == 0


def test_a_log_file_is_appended_to(tine, folder):
    path = os.path.join(folder, "tine.log")
    with open(path, "w", encoding="ascii") as f:
        f.write("kept\n")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", path, "echo",
             folder=folder)
    t.stop()
    assert lines_of(path)[0] == "kept"


def test_a_log_file_is_never_followed_through_a_link(run_tine, folder):
    target = os.path.join(folder, "target")
    path = os.path.join(folder, "tine.log")
    os.symlink(target, path)
    done = run_tine("-l", "tcp://127.0.0.1:0", "-C", "none", "-L", path, "echo")
    assert done.returncode == 73
    assert "symbolic link" in done.stderr
    assert not os.path.exists(target)


def test_the_level_error_leaves_out_the_news_of_a_killed_child(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "--log-level", "error",
             "echo")
    old = t.children()
    t.tinectl("kill", 0)
    t.wait_children(without=[old[0]])
    assert t.log("^tine: (warn|info|debug)") == []


def test_the_level_debug_shows_the_states_of_children(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "--log-level", "debug",
             "echo")
    procs.eventually(lambda: t.log("^tine: debug .*ready"), 5,
                     "a debug line about READY")
