# SPDX-License-Identifier: BSD-2-Clause
"""Options that tine does not have, has twice, or has not built yet."""

import pytest

LISTEN = ["-l", "tcp://127.0.0.1:0"]


@pytest.mark.parametrize("option,near", [
    ("--listne", "--listen"), ("--proceses", "--processes"),
    ("--log-levle", "--log-level")])
def test_an_unknown_option_is_64_with_the_nearest_name(run_tine, option, near):
    done = run_tine(*LISTEN, option, "x", "echo")
    assert done.returncode == 64
    assert option in done.stderr and near in done.stderr


@pytest.mark.parametrize("option", ["-Z", "--zzzzzzzz", "-\u00e9"])
def test_an_option_near_nothing_points_to_the_help(run_tine, option):
    done = run_tine(*LISTEN, option, "echo")
    assert done.returncode == 64
    assert "--help" in done.stderr


@pytest.mark.parametrize("option", ["-l", "-n", "--accept", "--log-level"])
def test_an_option_without_its_argument_is_64_and_named(run_tine, option):
    done = run_tine(option)
    assert done.returncode == 64
    assert option in done.stderr


@pytest.mark.parametrize("twice", [
    ["-n", "1", "-n", "2"], ["-n", "1", "--processes", "2"],
    ["-a", "shared", "-a", "shared"], ["-L", "stderr", "-L", "stderr"],
    ["-C", "none", "-C", "none"],
    ["--log-level", "info", "--log-level", "info"]])
def test_a_doubled_option_is_64_and_named(run_tine, twice):
    done = run_tine(*LISTEN, *twice, "echo")
    assert done.returncode == 64
    assert "twice" in done.stderr or "more than once" in done.stderr


@pytest.mark.parametrize("value", ["0", "1025", "-1", "x", "", "1.5",
                                   "99999999999999999999", "0:2",
                                   "2:1025", "2:", ":2", "4:2:1"])
def test_a_bad_number_of_processes_is_78(run_tine, value):
    done = run_tine(*LISTEN, "-n", value, "echo")
    assert done.returncode == 78
    assert "1024" in done.stderr or "auto" in done.stderr


@pytest.mark.parametrize("args,near", [
    (["-a", "reusport"], "reuseport"), (["--log-level", "inf"], "info")])
def test_a_bad_name_as_a_value_is_78_with_the_nearest(run_tine, args, near):
    done = run_tine(*LISTEN, *args, "echo")
    assert done.returncode == 78
    assert near in done.stderr


def test_a_log_file_in_a_folder_that_is_missing_is_73(run_tine):
    done = run_tine(*LISTEN, "-C", "none", "-L", "none/tine.log", "echo")
    assert done.returncode == 73
    assert "none/tine.log" in done.stderr
