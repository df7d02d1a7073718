# SPDX-License-Identifier: BSD-2-Clause
"""rlimit-nofile: the descriptors a child may have, and the connections that
follow from it."""

import os
import re
import resource

import pytest

import procs

IS_ROOT = os.getuid() == 0
LISTEN = ["-l", "tcp://127.0.0.1:0", "-n", "1"]


def limit_of(pid):
    """Soft and hard."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        words = re.search(r"Max open files +(\d+) +(\d+)", f.read())
    return int(words.group(1)), int(words.group(2))


def child_of(t):
    child, = t.children().values()
    return child


def test_a_child_has_what_is_said_and_the_master_no_less(tine):
    t = tine(*LISTEN, "-o", "rlimit-nofile=300", "echo", limit=1000)
    assert limit_of(child_of(t)) == (300, 300)
    assert limit_of(t.pid) == (1000, 1000)


def test_max_is_the_hard_limit(tine):
    t = tine(*LISTEN, "-o", "rlimit-nofile=max", "echo", limit=1000)
    assert limit_of(child_of(t)) == (1000, 1000)


def may_pass_hard_limit():
    """CAP_SYS_RESOURCE, which root in a container may lack."""
    return int(procs.status_field(os.getpid(), "CapEff"), 16) >> 24 & 1


@pytest.mark.skipif(not may_pass_hard_limit(), reason="no CAP_SYS_RESOURCE")
def test_root_passes_the_hard_limit(tine):
    t = tine(*LISTEN, "-o", "rlimit-nofile=2000", "echo", limit=1000)
    assert limit_of(child_of(t)) == (2000, 2000)
    assert limit_of(t.pid) == (2000, 2000)


def test_a_user_cannot_and_is_told_so_by_the_check(run_tine):
    who = {"user": "nobody", "group": "nogroup", "extra_groups": []} \
        if IS_ROOT else {}
    done = run_tine(
        "-t", *LISTEN, "-o", "rlimit-nofile=2000", "echo", **who,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (1000, 1000)))
    assert done.returncode == 77
    assert "rlimit-nofile 2000" in done.stderr
    assert "hard limit, 1000 here" in done.stderr


def test_connections_follow_from_it(run_tine):
    done = run_tine("-T", *LISTEN, "-o", "rlimit-nofile=300", "echo")
    assert re.search(r"max-connections[:=] *236\b", done.stdout)
    done = run_tine("-T", *LISTEN, "-o", "rlimit-nofile=300", "-o",
                    "max-connections=10", "echo")
    assert re.search(r"max-connections[:=] *10\b", done.stdout)
