# SPDX-License-Identifier: BSD-2-Clause
"""Addresses that a reload adds, changes, moves and removes."""

import contextlib
import os
import re

import pytest

import net
import procs
from reload import QUICK, Site, ask_whoami, echoes, master

SERVER = """\
  - listen: [ %s ]
    handler: %s
"""


def text(*servers, head=QUICK, processes=2):
    return head + f"processes: {processes}\nservers:\n" + "".join(
        SERVER % (", ".join(f'"{u}"' for u in urls), handler)
        for handler, *urls in servers)


def urls(t):
    return [x["url"] for x in t.status()["listeners"]]


def sockets_of(pid):
    """Inodes of the listening sockets that a process holds."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    listening = {r[9] for r in rows if r[3] == "0A"}
    held = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        match = re.fullmatch(r"socket:\[(\d+)\]", target)
        if match:
            held.add(match.group(1))
    return held & listening


def test_an_added_listener_serves_and_the_others_stay(tine, stage, folder):
    site = Site(tine, stage, folder, text(("echo", "tcp://127.0.0.1:0")))
    t = site.tine
    before = t.address()
    port = net.free_port()
    site.reload(text(("echo", "tcp://127.0.0.1:0",
                      f"tcp://127.0.0.1:{port}")))
    for address in (before, ("127.0.0.1", port)):
        with t.connect(address=address) as s:
            assert echoes(s)
    assert len(urls(t)) == 2


@pytest.mark.parametrize("commit", ["0", "1s"])
@pytest.mark.parametrize("processes", [1, 3])
def test_a_removed_listener_is_gone_everywhere_after_the_commit(
        tine, stage, folder, commit, processes):
    head = f"timing: {{prove: 0, commit: {commit}}}\n"
    port = net.free_port()
    site = Site(tine, stage, folder,
                text(("echo", "tcp://127.0.0.1:0",
                      f"tcp://127.0.0.1:{port}"),
                     head=head, processes=processes))
    t = site.tine
    kept = t.address()
    site.reload(text(("echo", "tcp://127.0.0.1:0"), head=head,
                     processes=processes))
    procs.eventually(lambda: len(urls(t)) == 1)
    assert net.is_refused(("127.0.0.1", port))
    with t.connect(address=kept) as s:
        assert echoes(s)
    if os.getuid() == 0:
        procs.eventually(lambda: not t.children("draining"))
        for pid in (t.pid, *t.children().values()):
            assert len(sockets_of(pid)) <= processes


def test_clients_of_a_removed_listener_are_served_until_it_is_gone(
        tine, stage, folder):
    port = net.free_port()
    site = Site(tine, stage, folder,
                text(("echo", "tcp://127.0.0.1:0",
                      f"tcp://127.0.0.1:{port}")))
    t = site.tine
    held = t.connect(address=("127.0.0.1", port))
    assert echoes(held)
    site.reload(text(("echo", "tcp://127.0.0.1:0")))
    served = 0
    # Only who comes in the very moment of its end may be reset.
    with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            with t.connect(address=("127.0.0.1", port)) as s:
                assert echoes(s)
            served += 1
    assert net.is_refused(("127.0.0.1", port))
    assert served > 0
    print(f"{served} were served on the way")
    assert echoes(held)


def test_a_removed_unix_listener_is_gone_with_its_path(tine, stage, folder):
    path = f"{folder}/a.sock"
    site = Site(tine, stage, folder,
                text(("echo", "tcp://127.0.0.1:0", f"unix://{path}")))
    t = site.tine
    held = t.connect(address=path)
    assert echoes(held)
    site.reload(text(("echo", "tcp://127.0.0.1:0")))
    procs.eventually(lambda: not os.path.exists(path))
    procs.eventually(lambda: len(urls(t)) == 1)
    assert echoes(held)


def test_a_listener_comes_and_goes_and_comes_again(tine, stage, folder):
    port = net.free_port()
    one = text(("echo", "tcp://127.0.0.1:0"))
    two = text(("echo", "tcp://127.0.0.1:0", f"tcp://127.0.0.1:{port}"))
    site = Site(tine, stage, folder, one)
    for _ in range(3):
        site.reload(two)
        with site.tine.connect(address=("127.0.0.1", port)) as s:
            assert echoes(s)
        site.reload(one)
    procs.eventually(lambda: len(urls(site.tine)) == 1)
    assert master(site.tine)["rollbacks"] == 0


def test_a_listener_moves_to_another_server(tine, stage, folder):
    port = net.free_port()
    url = f"tcp://127.0.0.1:{port}"
    site = Site(tine, stage, folder,
                text(("echo", url), ("upper", "tcp://127.0.0.1:0")))
    t = site.tine
    with t.connect(address=("127.0.0.1", port)) as s:
        s.sendall(b"a")
        assert s.recv(1) == b"a"
    site.reload(text(("echo", "tcp://127.0.0.1:0"), ("upper", url)))
    # One that was told to drain may accept one more before it hears of it.
    procs.eventually(lambda: not t.children("draining"))
    for _ in range(10):
        with t.connect(address=("127.0.0.1", port)) as s:
            s.sendall(b"a")
            assert s.recv(1) == b"A"


def test_a_changed_backlog_takes_effect_on_the_same_socket(
        tine, stage, folder):
    port = net.free_port()
    site = Site(tine, stage, folder,
                text(("echo", f"tcp://127.0.0.1:{port}?backlog=5")))
    site.reload(text(("echo", f"tcp://127.0.0.1:{port}?backlog=7")))
    assert master(site.tine)["reloads"] == 1
    with site.tine.connect(address=("127.0.0.1", port)) as s:
        assert echoes(s)


def test_what_cannot_change_is_said_and_the_old_generation_serves(
        tine, stage, folder):
    port = net.free_port()
    url = f"tcp://127.0.0.1:{port}"
    site = Site(tine, stage, folder, text(("echo", url)))
    before = site.tine.children()
    done = site.reload(text(("echo", url + "?freebind=true")), code=1)
    assert "freebind of" in done.stderr
    assert "cannot change at a reload" in done.stderr
    assert site.tine.children() == before


def test_one_child_shares_its_listener_until_there_are_more(
        tine, stage, folder):
    whoami = stage.handler("whoami")
    site = Site(tine, stage, folder,
                text((whoami, "tcp://127.0.0.1:0"), processes=1))
    t = site.tine
    address = t.address()
    site.reload(text((whoami, "tcp://127.0.0.1:0"), processes=3))
    t.wait_children(3)
    places = {ask_whoami(t, address=address)[1] for _ in range(200)}
    assert places == {0, 1, 2}
    assert t.status()["listeners"][0]["slots"] == 3
