# SPDX-License-Identifier: BSD-2-Clause
"""A child that root's tine started has nothing of root left."""

import os
import pwd
import grp

import pytest

import procs

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root drops")


def test_children_are_nobody_without_groups_and_capabilities(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    uid = str(pwd.getpwnam("nobody").pw_uid)
    gid = str(grp.getgrnam("nogroup").gr_gid)
    for pid in t.children().values():
        assert procs.status_field(pid, "Uid").split() == [uid] * 4
        assert procs.status_field(pid, "Gid").split() == [gid] * 4
        assert procs.status_field(pid, "Groups").split() in ([], [gid])
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(procs.status_field(pid, kind), 16) == 0, kind
        assert procs.status_field(pid, "NoNewPrivs") == "1"


def test_a_child_born_after_a_death_has_dropped_them_too(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    old = t.children()
    assert t.tinectl("kill", 0).returncode == 0
    pid = t.wait_children(without=[old[0]])[0]
    uid = str(pwd.getpwnam("nobody").pw_uid)
    assert procs.status_field(pid, "Uid").split() == [uid] * 4
    assert int(procs.status_field(pid, "CapEff"), 16) == 0
