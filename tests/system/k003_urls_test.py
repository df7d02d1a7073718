# SPDX-License-Identifier: BSD-2-Clause
"""Listen URLs that are wrong, or that are not built yet."""

import pytest


@pytest.mark.parametrize("url,words", [
    ("tpc://:8080", ["tpc", "tcp"]),
    ("htp://:8080", ["htp"]),
    ("tcp://:65536", ["65536", "65535"]),
    ("tcp://127.0.0.1:99999999999999999999", ["65535"]),
    ("tcp://127.0.0.1", ["port"]),
    ("tcp://127.0.0.1:", ["port"]),
    ("tcp://127.0.0.1:80x", ["80x"]),
    ("tcp://:-1", ["-1"]),
    ("tcp://[::1:80", ["]"]),
    ("", []),
    ("unix://", ["path"]),
    ("unix://" + "x" * 200, ["long"]),
    ("tcp://:0?backlok=1", ["backlok", "backlog"]),
    ("tcp://:0?backlog=x", ["backlog", "x"]),
    ("tcp://:0?backlog=-1", ["backlog"]),
    ("tcp://:0?nodelay=perhaps", ["nodelay", "perhaps"]),
    ("tcp://:0?keepalive=1parsec", ["keepalive", "parsec"]),
    ("tcp://:0?rcvbuf=1x", ["rcvbuf"]),
    ("unix://socket?mode=0999", ["mode", "0999"]),
    ("tcp://:0?backlog=1&backlog=2", ["backlog"]),
    ("tcp4://[::1]:0", ["::1"]),
    ("tcp6://127.0.0.1:0", ["127.0.0.1"]),
    ("unix://socket?owner=no-such-user", ["no-such-user"]),
])
def test_a_bad_url_is_78_and_says_what_is_wrong(run_tine, url, words):
    done = run_tine("-C", "none", "-l", url, "echo", timeout=20)
    assert done.returncode == 78
    assert done.stderr.startswith("tine: ")
    for word in words:
        assert word in done.stderr


def test_an_unknown_handler_in_a_url_is_78_with_the_nearest_name(run_tine):
    done = run_tine("-C", "none", "-l", "tcp://:0?handler=ecko")
    assert done.returncode == 78
    assert "ecko" in done.stderr and "echo" in done.stderr


@pytest.mark.parametrize("url", [
    "tcp://:0?proxy=v1", "tcp://:0?tls=on", "tcp://:0?user-timeout=1s"])
def test_what_is_not_built_yet_is_64_and_said(run_tine, url):
    done = run_tine("-C", "none", "-l", url, "echo")
    assert done.returncode == 64
    assert "not built yet" in done.stderr


def test_the_same_address_twice_is_78(run_tine):
    done = run_tine("-C", "none", "-l", "tcp://127.0.0.1:7777", "-l",
                    "tcp://127.0.0.1:7777", "echo")
    assert done.returncode == 78
    assert "7777" in done.stderr


def test_a_name_that_does_not_resolve_is_78_and_named(run_tine):
    done = run_tine("-C", "none", "-l", "no-such-host.invalid:80", "echo",
                    timeout=30)
    assert done.returncode == 78
    assert "no-such-host.invalid" in done.stderr
