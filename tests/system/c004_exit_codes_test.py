# SPDX-License-Identifier: BSD-2-Clause
"""tinectl's exit codes: 0 done, 1 failed, 2 no server answers."""

import socket
import subprocess


def tinectl(stage, *args):
    return subprocess.run([stage.tinectl, *args], capture_output=True,
                          text=True, timeout=30, check=False)


def test_no_server_is_2(stage, folder):
    done = tinectl(stage, "-C", f"{folder}/none.sock", "status")
    assert done.returncode == 2
    assert "none.sock" in done.stderr


def test_a_socket_without_a_server_is_2(stage, folder):
    path = f"{folder}/dead.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    assert tinectl(stage, "-C", path, "status").returncode == 2


def test_a_server_that_does_not_answer_is_2_after_the_timeout(stage, folder):
    path = f"{folder}/mute.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()
        done = tinectl(stage, "-C", path, "--timeout", "1", "status")
    assert done.returncode == 2
    assert done.stderr.strip()


def test_an_unknown_command_is_an_error_with_the_nearest_name(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    done = t.tinectl("statsu")
    assert done.returncode not in (0, 2)
    assert "status" in done.stderr


def test_no_command_is_an_error(stage):
    done = tinectl(stage)
    assert done.returncode not in (0, 2)
    assert done.stderr.strip()
