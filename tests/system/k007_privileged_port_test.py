# SPDX-License-Identifier: BSD-2-Clause
"""Port 80 for a user who may not have it."""

import os

import pytest

FIRST_FREE = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


def test_a_privileged_port_without_permission_is_77(run_tine):
    with open(FIRST_FREE, encoding="ascii") as f:
        if int(f.read()) <= 80:
            pytest.skip("every user may have port 80 here")
    who = {}
    if os.getuid() == 0:
        who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    done = run_tine("-C", "none", "-l", "tcp://127.0.0.1:80", "echo", **who)
    assert done.returncode == 77
    assert "127.0.0.1:80" in done.stderr
    assert "root" in done.stderr or "CAP_NET_BIND_SERVICE" in done.stderr \
        or "1024" in done.stderr


def test_an_address_that_is_not_ours_is_an_error_that_names_it(run_tine):
    done = run_tine("-C", "none", "-l", "tcp://192.0.2.1:8080", "echo")
    assert done.returncode in (69, 71, 78)
    assert "192.0.2.1:8080" in done.stderr
