# SPDX-License-Identifier: BSD-2-Clause
"""A child that hangs is told to abort, and says what it was doing."""

import os
import signal

import pytest

import net
import procs

LINE = r"fatal signal 6 \(SIGABRT\)"


@pytest.fixture(autouse=True)
def without_sanitizers(stage):
    with open(stage.tine, "rb") as f:
        if b"__asan_init" in f.read():
            pytest.skip("the sanitizer takes the place of our line")


@pytest.mark.parametrize("handler, options", [
    ("busy_loop", []), ("sleeper", ["seconds=60"])])
def test_the_line_names_handler_callback_and_connection(
        tine, stage, handler, options):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", stage.handler(handler),
             *options)
    (victim,) = t.children().values()
    t.connect().sendall(b"x")
    # Counted just before the callback, which does not come back.
    procs.eventually(
        lambda: t.status()["children"][0]["bytes_in"] == 1, 10, "it hangs")
    os.kill(victim, signal.SIGABRT)
    t.wait_children(without=[victim])
    line = t.wait_log(LINE, 10)
    assert f"in handler {handler}, callback data, conn 1.0" in line
    assert "signal 6" in t.obituaries()[0]


def test_a_stopped_child_aborts_when_it_is_continued(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    (victim,) = t.children().values()
    os.kill(victim, signal.SIGSTOP)
    procs.eventually(
        lambda: procs.status_field(victim, "State").startswith("T"))
    os.kill(victim, signal.SIGABRT)
    os.kill(victim, signal.SIGCONT)
    t.wait_children(without=[victim])
    assert "in the server itself" in t.wait_log(LINE, 10)
    with t.connect() as s:
        s.sendall(b"x")
        assert net.recv_exact(s, 1) == b"x"
