# SPDX-License-Identifier: BSD-2-Clause
"""-t: the configuration is checked, handlers are loaded, nothing is bound."""

import net


def test_a_good_command_line_is_said_to_be_good(run_tine):
    done = run_tine("-t", "-l", "tcp://127.0.0.1:0", "echo")
    assert done.returncode == 0, done.stderr


def test_a_port_in_use_does_not_matter_to_the_check(run_tine, tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    done = run_tine("-t", "-l", f"tcp://127.0.0.1:{t.port()}", "echo")
    assert done.returncode == 0, done.stderr


def test_the_check_binds_nothing(run_tine, folder):
    done = run_tine("-t", "-l", "unix://socket", "-C", f"{folder}/c.sock",
                    "echo", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert net.is_refused(f"{folder}/socket")
    assert net.is_refused(f"{folder}/c.sock")


def test_a_bad_option_of_a_handler_fails_the_check(run_tine):
    done = run_tine("-t", "-l", "tcp://127.0.0.1:0", "upper", "once=perhaps")
    assert done.returncode == 78
    assert "once" in done.stderr and "perhaps" in done.stderr


def test_a_handler_that_cannot_be_loaded_fails_the_check(run_tine, folder):
    done = run_tine("-t", "-l", "tcp://127.0.0.1:0", f"{folder}/none.so")
    assert done.returncode == 78
    assert "none.so" in done.stderr


def test_the_check_does_not_start_the_handler(run_tine, stage):
    done = run_tine("-t", "-l", "tcp://127.0.0.1:0",
                    stage.handler("crash_start"))
    assert done.returncode == 0, done.stderr
