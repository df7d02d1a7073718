# SPDX-License-Identifier: BSD-2-Clause
"""A port that somebody else holds: tine waits 3 s, then says who it is."""

import os
import socket

import pytest


def test_another_tine_is_named_by_its_masters_pid(run_tine, tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    done = run_tine("-C", "none", "-l", f"tcp://127.0.0.1:{t.port()}", "echo")
    assert done.returncode == 69
    assert str(t.port()) in done.stderr
    assert f"pid {t.pid}" in done.stderr


def test_a_foreign_program_is_named(run_tine):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        done = run_tine("-C", "none", "-l", f"tcp://127.0.0.1:{port}", "echo")
    assert done.returncode == 69
    assert f"pid {os.getpid()}" in done.stderr


def test_a_wildcard_meets_the_holder_of_one_address(run_tine, tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    done = run_tine("-C", "none", "-l", f"tcp4://:{t.port()}", "echo")
    assert done.returncode == 69
    assert f"pid {t.pid}" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_another_users_process_is_called_that(run_tine):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        done = run_tine("-C", "none", "-l", f"tcp://127.0.0.1:{port}", "echo",
                        user="nobody", group="nogroup", extra_groups=[])
    assert done.returncode == 69
    assert "another user's process" in done.stderr


def test_a_second_server_does_not_take_half_of_the_connections(tine, run_tine):
    """Without reuseport in the URL, whatever the accept mode."""
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-a", "reuseport", "echo")
    done = run_tine("-C", "none", "-l", f"tcp://127.0.0.1:{t.port()}", "-n",
                    "2", "-a", "reuseport", "upper")
    assert done.returncode == 69
    for _ in range(20):
        s = t.connect()
        s.sendall(b"a")
        assert s.recv(1) == b"a"


def test_a_port_that_is_freed_within_the_wait_is_taken(tine):
    s = socket.create_server(("127.0.0.1", 0))
    port = s.getsockname()[1]
    t = tine("-l", f"tcp://127.0.0.1:{port}", "-n", "1", "--log-level",
             "debug", "echo", ready=False)
    t.wait_log("init > bind", 5)
    s.close()
    t.wait_ready(10)
