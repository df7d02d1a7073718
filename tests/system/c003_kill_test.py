# SPDX-License-Identifier: BSD-2-Clause
"""tinectl kill PLACE: one child is replaced, the others go on."""

import pytest

import net


def test_kill_returns_when_a_new_child_serves_in_that_place(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    old = t.children()
    done = t.tinectl("kill", 1)
    assert done.returncode == 0, done.stderr
    new = t.children()
    assert set(new) == {0, 1, 2}
    assert new[1] != old[1]
    assert (new[0], new[2]) == (old[0], old[2])


def test_kill_ends_only_the_connections_of_that_child(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", stage.handler("whoami"))
    held = {0: [], 1: []}
    while not (held[0] and held[1]):
        s = t.connect()
        held[int(net.recv_line(s).split()[1])].append(s)
    assert t.tinectl("kill", 0).returncode == 0
    for s in held[0]:
        with pytest.raises(ConnectionResetError):
            s.sendall(b"\n")
            if s.recv(100) == b"":
                raise ConnectionResetError
    for s in held[1]:
        s.sendall(b"\n")
        assert net.recv_line(s).split()[1] == "1"


def test_restarts_are_counted_for_the_place(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    for _ in range(3):
        assert t.tinectl("kill", 1).returncode == 0
    assert [c["restarts"] for c in t.status()["children"]] == [0, 3]


@pytest.mark.parametrize("place", ["2", "-1", "99999999999", "x", ""])
def test_a_place_that_does_not_exist_is_an_error(tine, place):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    before = t.children()
    done = t.tinectl("kill", place)
    assert done.returncode in (1, 64)
    assert done.stderr.strip()
    assert t.children() == before
