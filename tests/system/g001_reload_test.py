# SPDX-License-Identifier: BSD-2-Clause
"""Reload: a new generation for what the files say now, and nobody notices."""

import os
import shutil
import signal

import pytest

import net
import procs
from reload import (QUICK, Site, ask_whoami, echoes, generation, master,
                    reload, wait_state)

FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0")
HTTP = QUICK + """\
processes: 2
servers:
  - listen: [ "tcp://127.0.0.1:0" ]
    handler: http
    options: { text: %s }
"""


def get(t):
    with t.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return net.recv_all(s).rpartition(b"\r\n\r\n")[2]


def test_without_a_configuration_file_all_children_are_new(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 3, *FAST, "echo")
    old, address = t.children(), t.address()
    done = reload(t)
    assert "generation 2, 3 children" in done.stdout
    new = t.wait_children(3, without=old.values())
    assert set(new) == {0, 1, 2}
    now = master(t)
    assert (now["generation"], now["reloads"], now["rollbacks"]) == (2, 1, 0)
    assert (now["crashes"], now["min_accepting"]) == (0, 3)
    assert now["last_error"] is None
    t.connect(address=address).close()
    assert not procs.wait_gone(old.values(), 5)


def test_hup_reloads_as_tinectl_does(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, *FAST, "echo")
    old = t.children()
    t.signal(signal.SIGHUP)
    t.wait_log("generation 2 serves")
    assert t.wait_children(2, without=old.values())


def test_changed_options_of_a_handler_take_effect(tine, stage, folder):
    site = Site(tine, stage, folder, HTTP % "one")
    assert get(site.tine) == b"one"
    site.reload(HTTP % "two")
    assert {get(site.tine) for _ in range(8)} == {b"two"}


def test_a_shared_object_that_was_replaced_is_loaded_anew(
        tine, stage, folder):
    module = f"{folder}/handler.so"
    shutil.copy(stage.handler("whoami"), module)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, *FAST, module)
    assert ask_whoami(t)[3] == 1
    shutil.copy(stage.example("http_hello"), f"{folder}/new.so")
    os.rename(f"{folder}/new.so", module)
    reload(t)
    with t.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")


def test_connections_of_old_children_go_on(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 2, *FAST, "echo")
    held = [t.connect() for _ in range(8)]
    assert all(echoes(s) for s in held)
    reload(t)
    assert all(echoes(s) for s in held)
    assert len(t.children("draining")) > 0
    for s in held:
        s.close()
    procs.eventually(lambda: not t.children("draining"))


def test_the_canary_has_no_client_before_it_is_proven(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, "-o", "timing.prove=2s",
             "-o", "timing.commit=0", stage.handler("whoami"))
    t.signal(signal.SIGHUP)
    procs.eventually(lambda: t.children("prepared"))
    assert {ask_whoami(t)[3] for _ in range(20)} == {1}
    assert t.children("prepared")
    t.wait_log("generation 2 serves")
    # The old one accepts until it has read that it drains.
    procs.eventually(lambda: ask_whoami(t)[3] == 2)


@pytest.mark.parametrize("before, after, expected", [(2, 4, 4), (4, 2, 2)])
def test_the_number_of_children_follows_the_file(
        tine, stage, folder, before, after, expected):
    def text(n):
        return (HTTP % "x").replace("processes: 2", f"processes: {n}")

    site = Site(tine, stage, folder, text(before))
    site.reload(text(after))
    assert len(site.tine.wait_children(expected)) == expected
    assert master(site.tine)["processes"] == expected
    assert master(site.tine)["crashes"] == 0


def test_a_number_chosen_at_run_time_survives_a_reload(tine, stage, folder):
    site = Site(tine, stage, folder, HTTP % "x")
    assert site.tine.tinectl("scale", 3).returncode == 0
    site.reload(HTTP % "y")
    assert len(site.tine.wait_children(3)) == 3
    site.reload((HTTP % "y").replace("processes: 2", "processes: 1"))
    assert len(site.tine.wait_children(1)) == 1


def test_the_fifth_reload_waits_while_four_old_generations_drain(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, *FAST, "echo")
    held = []
    for _ in range(4):
        held.append(t.connect())
        assert echoes(held[-1])
        reload(t)
    assert generation(t) == 5
    held.append(t.connect())
    assert echoes(held[-1])
    t.signal(signal.SIGHUP)
    wait_state(t, "reloading")
    net.wait_seconds(1)
    assert (generation(t), master(t)["state"]) == (5, "reloading")
    assert all(echoes(s) for s in held)
    held[2].close()
    t.wait_log("generation 6 serves", 10)
    assert all(echoes(s) for s in held[:2] + held[3:])


def test_a_unix_listener_keeps_its_path_and_inode(tine, folder):
    path = f"{folder}/s.sock"
    t = tine("-l", f"unix://{path}", "-n", 2, *FAST, "echo", folder=folder)
    before = os.stat(path).st_ino
    reload(t)
    assert os.stat(path).st_ino == before
    with t.connect() as s:
        assert echoes(s)
