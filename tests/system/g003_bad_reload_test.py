# SPDX-License-Identifier: BSD-2-Clause
"""Reloads that fail: the old generation serves, and the reason is told."""

import socket

import pytest

import net
import procs
from load import Client, lost, never_happened, target
from reload import Site, ask_whoami, echoes, generation, master

HEAD = "timing: {prove: 100ms, commit: 30s}\nstart-timeout: 2s\n"
TEXT = HEAD + """\
processes: %d
servers:
  - listen: [ %s ]
    handler: "%s"
    options: {%s}
"""
URL = '"tcp://127.0.0.1:0"'


def text(handler="echo", n=4, url=URL, options=""):
    return TEXT % (n, url, handler, options)


def assert_old_serves(t, rollbacks, n=4, least=4):
    """The old generation, nobody else, and what the counters say."""
    now = master(t)
    assert (now["generation"], now["state"]) == (1, "running")
    assert now["rollbacks"] == rollbacks
    assert now["min_accepting"] >= least
    procs.eventually(lambda: len(t.status()["children"]) == n)
    assert {c["generation"] for c in t.status()["children"]} == {1}
    assert len(t.children()) == n


def test_a_syntax_error_is_told_and_nothing_is_forked(tine, stage, folder):
    site = Site(tine, stage, folder, text())
    t = site.tine
    old = t.children()
    done = site.reload("processes: 'x\n", code=1)
    assert "a quote is not closed" in done.stderr
    assert_old_serves(t, 0)
    assert t.children() == old
    assert "a quote is not closed" in master(t)["last_error"]


def test_all_that_is_wrong_in_the_file_is_told(tine, stage, folder):
    site = Site(tine, stage, folder, text())
    done = site.reload(text() + "processes: 0x\nno-such-key: 1\n", code=1)
    assert "no-such-key" in done.stderr or "processes" in done.stderr


def test_a_busy_new_port_names_its_holder(tine, stage, folder):
    site = Site(tine, stage, folder, text())
    t = site.tine
    old = t.children()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = site.reload(
            text(url=f'{URL}, "tcp://127.0.0.1:{port}"'), code=1)
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use by" in done.stderr
    assert len(t.status()["listeners"]) == 1
    assert_old_serves(t, 0)
    assert t.children() == old


@pytest.mark.parametrize("handler, options, words", [
    ("crash_start", "", "signal 11|exit code|Sanitizer"),
    ("fatal", 'text: "no database"', "no database"),
    ("never_ready", "", "not ready within start-timeout"),
    ("crash_third", "", "child 2: "),
])
@pytest.mark.timeout(120)
def test_a_handler_that_does_not_start_is_rolled_back(
        tine, stage, folder, handler, options, words):
    site = Site(tine, stage, folder, text(), reports=True)
    t = site.tine
    old = t.children()
    with Client(stage, folder, "echo", target(t.address()), rate=100,
                bytes=200, pace=1000) as client:
        done = site.reload(text(stage.handler(handler), options=options),
                           code=1)
        report = client.finish()
    assert any(w in done.stderr for w in words.split("|")), done.stderr
    assert_old_serves(t, 1)
    if handler != "crash_third":
        assert t.children() == old
    assert not any(report["failures"].values()), report
    assert report["done"] > 0


@pytest.mark.timeout(120)
def test_a_crash_within_the_commit_calls_the_old_children_back(
        tine, stage, folder):
    later = stage.handler("crash_later")
    site = Site(tine, stage, folder, text(), reports=True)
    t = site.tine
    old = t.children()
    held = []
    # Somebody keeps each of the old children from leaving.
    while {c["connections"] > 0 for c in t.status()["children"]} != {True}:
        held.append(t.connect())
        assert echoes(held[-1])
    with Client(stage, folder, "echo", target(t.address()), rate=100,
                bytes=5, pace=1000) as client:
        done = site.reload(
            text(later, options="after: 1s, place: 1"), code=1)
        report = client.finish()
    assert "child 1: " in done.stderr
    # The one that crashed did not accept for a moment.
    assert_old_serves(t, 1, least=3)
    assert t.children() == old
    assert master(t)["reloads"] == 1
    assert all(echoes(s) for s in held)
    # What the crashing child held was its own.
    assert never_happened(report), report
    assert lost(report) < report["done"]


def test_after_a_bad_reload_a_good_one_works(tine, stage, folder):
    whoami = stage.handler("whoami")
    quick = HEAD.replace("30s", "0")
    site = Site(tine, stage, folder, text(whoami).replace(HEAD, quick),
                reports=True)
    t = site.tine
    site.reload(text(stage.handler("crash_start")), code=1)
    site.reload(text(whoami).replace(HEAD, quick))
    assert ask_whoami(t)[3] == generation(t) > 1
    assert master(t)["reloads"] == 1
    assert master(t)["rollbacks"] == 1


def test_what_cannot_change_is_an_error(tine, stage, folder):
    site = Site(tine, stage, folder, text())
    done = site.reload(text() + f"pid-file: {folder}/p\n", code=1)
    assert "pid-file cannot change at a reload" in done.stderr
    assert_old_serves(site.tine, 0)


def test_a_server_whose_new_port_was_taken_back_can_have_it_later(
        tine, stage, folder):
    site = Site(tine, stage, folder, text(), reports=True)
    t = site.tine
    port = net.free_port()
    url = f'{URL}, "tcp://127.0.0.1:{port}"'
    site.reload(text(stage.handler("crash_start"), url=url), code=1)
    assert net.is_refused(("127.0.0.1", port))
    site.reload(text(url=url).replace("30s", "0"))
    with t.connect(address=("127.0.0.1", port)) as s:
        assert echoes(s)
