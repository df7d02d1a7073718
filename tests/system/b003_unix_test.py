# SPDX-License-Identifier: BSD-2-Clause
"""Unix sockets: relative, absolute and abstract paths, their mode and owner,
and what is left of them at the end."""

import os
import pwd
import socket
import stat

import pytest


def echoes(sock):
    sock.sendall(b"ping")
    return sock.recv(4) == b"ping"


def test_a_relative_path_means_the_folder_tine_was_started_in(tine):
    t = tine("-l", "unix://socket", "-n", "2", "echo")
    assert stat.S_ISSOCK(os.stat(os.path.join(t.folder, "socket")).st_mode)
    assert echoes(t.connect(address=os.path.join(t.folder, "socket")))


def test_an_absolute_path_is_taken_as_it_is(tine, folder):
    path = os.path.join(folder, "absolute")
    t = tine("-l", f"unix://{path}", "-n", "2", "echo")
    assert echoes(t.connect(address=path))


def test_an_abstract_name_has_no_file(tine):
    name = f"tine-test-{os.getpid()}"
    t = tine("-l", f"unix://@{name}", "-n", "2", "echo", control=False)
    assert echoes(t.connect(address="\0" + name))
    assert os.listdir(t.folder) == []


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tine, mode):
    t = tine("-l", f"unix://socket?mode={mode:04o}", "-n", "1", "echo")
    found = os.stat(os.path.join(t.folder, "socket")).st_mode
    assert stat.S_IMODE(found) == mode


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_root_can_give_the_socket_to_another_owner(tine):
    nobody = pwd.getpwnam("nobody")
    t = tine("-l", "unix://socket?owner=nobody:nogroup&mode=0600", "-n", "1",
             "echo")
    found = os.stat(os.path.join(t.folder, "socket"))
    assert (found.st_uid, found.st_gid) == (nobody.pw_uid, nobody.pw_gid)
    assert echoes(t.connect())


def test_the_path_is_gone_after_the_stop(tine):
    t = tine("-l", "unix://socket", "-n", "2", "echo")
    t.stop()
    assert os.listdir(t.folder) == []


def test_a_stale_socket_is_replaced(tine, folder):
    path = os.path.join(folder, "socket")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    t = tine("-l", "unix://socket", "-n", "1", "echo", folder=folder)
    assert echoes(t.connect())


def test_a_path_that_somebody_replaced_is_not_removed_at_the_stop(tine):
    t = tine("-l", "unix://socket", "-n", "1", "echo")
    path = os.path.join(t.folder, "socket")
    os.unlink(path)
    with open(path, "w", encoding="ascii") as f:
        f.write("not ours")
    t.stop()
    assert os.path.exists(path)
