# SPDX-License-Identifier: BSD-2-Clause
"""The ready line: printed when, and only when, the server serves."""

import os
import re

import pytest


def test_the_ready_line_names_children_address_handler_and_control(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4", "echo")
    line = t.wait_log(r"^tine: ready: ")
    port = t.port()
    assert port > 0
    assert line == (f"tine: ready: 4 children, tcp://127.0.0.1:{port} (echo), "
                    f"control {t.control}")


def test_one_child_is_called_a_child(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    assert re.match(r"tine: ready: 1 child, tcp://127\.0\.0\.1:\d+ \(echo\), ",
                    t.wait_log("^tine: ready: "))


def test_port_0_in_the_ready_line_is_the_real_port(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    with t.connect() as s:
        s.sendall(b"hello")
        assert s.recv(5) == b"hello"
    assert t.status()["listeners"][0]["url"] == \
        f"tcp://127.0.0.1:{t.port()}"


@pytest.mark.parametrize("n", ["1", "2", "7"])
def test_there_are_as_many_children_as_asked_for(tine, n):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", n, "echo")
    assert t.ready == int(n)
    assert len(t.children()) == int(n)


def test_auto_is_one_child_for_each_cpu_that_this_process_may_use(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "auto", "echo")
    assert 1 <= t.ready <= len(os.sched_getaffinity(0))


def test_without_a_control_socket_the_line_names_none(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo", control=False)
    assert t.wait_log("^tine: ready: ").endswith("(echo), control none")
