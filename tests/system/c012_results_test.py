# SPDX-License-Identifier: BSD-2-Clause
"""tinectl reload, upgrade, scale: what they say to a server, and what they make
of its answer."""

import subprocess

import pytest

from answers import control_socket


@pytest.fixture
def tinectl(stage, folder):
    """tinectl("reload", answer): the result, and the lines that were said to
    a server that answers so, but for a first question whether it is there."""

    def run(command, answer, *options):
        path = f"{folder}/control.sock"

        def reply(line):
            return 'ok\n{"version": "1"}\n' if line == "status" else answer

        with control_socket(path, reply) as lines:
            done = subprocess.run(
                [stage.tinectl, "-C", path, *options, *command.split()],
                capture_output=True, text=True, timeout=30, check=False)
        return done, [line for line in lines if line != "status"]

    return run


@pytest.mark.parametrize("command", [
    "reload", "upgrade", "scale 3", "scale 1024", "scale +1", "scale -1",
    "scale auto", "drain 0", "kill 7", "reopen"])
def test_a_command_is_said_as_one_line(tinectl, command):
    done, lines = tinectl(command, "ok\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert lines == [command]


def test_options_may_stand_on_either_side_of_one_fewer(tinectl):
    for command in ("scale -1 --timeout 5", "scale --timeout 5 -1"):
        done, lines = tinectl(command, "ok\n")
        assert (done.returncode, lines) == (0, ["scale -1"])


@pytest.mark.parametrize("command", [
    "reload now", "upgrade 3", "scale", "scale 3 4", "scale -1 3", "scale 0",
    "scale 1025", "scale +2", "scale -2", "scale x", "scale 1.5", "status -1",
    "reload -1", "top 1", "reload --now"])
def test_what_no_server_takes_is_refused_before_it_is_said(tinectl, command):
    done, lines = tinectl(command, "ok\n")
    assert (done.returncode, lines) == (64, [])
    assert done.stderr.startswith("tinectl: ")


def test_what_came_of_it_is_printed(tinectl):
    done, _ = tinectl("reload", "ok\ngeneration 3, 4 children\n")
    assert done.returncode == 0
    assert done.stdout == "generation 3, 4 children\n"
    assert done.stderr == ""


def test_a_failure_is_1_with_the_reason_and_the_lines_beside_it(tinectl):
    done, _ = tinectl("reload", "fail rolled back: child 0: no such file\n"
                      "tine: tine.yaml:1:1: unknown key\x1b[2J\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "rolled back: child 0: no such file\n" in done.stderr
    # Nothing that a terminal obeys.
    assert "tine: tine.yaml:1:1: unknown key[2J\n" in done.stderr


def test_a_result_that_does_not_come_is_1_after_the_timeout(tinectl):
    done, lines = tinectl("reload", None, "--timeout", "1")
    assert (done.returncode, lines) == (1, ["reload"])
    assert done.stderr == "tinectl: reload: not done within 1 s; it goes on\n"


def test_usage_is_the_command_and_what_it_takes(stage):
    for args, usage in [(["reload", "x"], "reload"),
                        (["kill"], "kill PLACE")]:
        done = subprocess.run([stage.tinectl, *args], capture_output=True,
                              text=True, timeout=30, check=False)
        assert done.returncode == 64
        assert done.stderr == f"tinectl: usage: tinectl {usage}\n"


@pytest.mark.parametrize("command", ["reload", "upgrade", "scale auto"])
def test_no_server_is_2(stage, folder, command):
    done = subprocess.run(
        [stage.tinectl, "-C", f"{folder}/none.sock", *command.split()],
        capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "none.sock" in done.stderr


def test_a_server_that_hangs_up_has_not_got_the_command(stage, folder):
    path = f"{folder}/control.sock"
    with control_socket(path, lambda line: "") as lines:
        done = subprocess.run([stage.tinectl, "-C", path, "reload"],
                              capture_output=True, text=True, timeout=30,
                              check=False)
    assert (done.returncode, lines) == (2, ["status"])
