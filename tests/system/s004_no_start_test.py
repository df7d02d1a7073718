# SPDX-License-Identifier: BSD-2-Clause
"""A first generation that never serves: exit 69, and why."""

import re

import pytest

import procs

LISTEN = ["-C", "none", "-l", "tcp://127.0.0.1:0", "-n", "2"]


def test_all_children_that_crash_at_start_end_tine_with_69(run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("crash_start"))
    assert done.returncode == 69
    assert "ready:" not in done.stderr
    assert re.search("SIGSEGV|signal 11|Segmentation|exit code", done.stderr)


def test_a_handler_that_refuses_ends_tine_with_69_and_its_words(
        run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("fatal"),
                    "text=the moon is not full")
    assert done.returncode == 69
    assert "the moon is not full" in done.stderr
    assert "fatal" in done.stderr


def test_the_words_of_a_handler_cannot_forge_a_log_line(run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("fatal"),
                    "text=a\ntine: info master: forged\x1b[31m")
    assert done.returncode == 69
    assert "\ntine: info master: forged" not in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_children_that_never_become_ready_end_tine_with_69(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2",
             stage.handler("never_ready"), ready=False, code=69)
    children = procs.eventually(lambda: procs.children_of(t.pid), 10)
    assert t.wait(60) == 69
    assert procs.wait_gone(children, 5) == []
    assert t.log("start-timeout|not ready|never")
    assert not t.log("tine: ready:")
