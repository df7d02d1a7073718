# SPDX-License-Identifier: BSD-2-Clause
"""Handlers that do not exist, cannot be loaded, or do not take an option."""

import os

import pytest

LISTEN = ["-C", "none", "-l", "tcp://127.0.0.1:0"]


def test_an_unknown_handler_is_78_with_the_nearest_name(run_tine):
    done = run_tine(*LISTEN, "ecko")
    assert done.returncode == 78
    assert "ecko" in done.stderr and "echo" in done.stderr


def test_a_shared_object_that_is_missing_is_78_and_named(run_tine):
    done = run_tine(*LISTEN, "./game.so")
    assert done.returncode == 78
    assert "game.so" in done.stderr


def test_a_file_that_is_no_shared_object_is_78(run_tine, folder):
    with open(f"{folder}/text.so", "w", encoding="ascii") as f:
        f.write("not an object")
    done = run_tine(*LISTEN, "./text.so")
    assert done.returncode == 78
    assert "text.so" in done.stderr


def test_a_handler_for_another_abi_is_78_and_both_are_named(run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("wrong_abi"))
    assert done.returncode == 78
    assert "ABI 3" in done.stderr and "rebuild" in done.stderr


def test_an_object_without_a_handler_is_78(run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("not_a_handler"))
    assert done.returncode == 78
    assert "tine_handler" in done.stderr
    assert "TINE_HANDLER" in done.stderr


def test_a_constructor_that_crashes_is_78_and_costs_only_the_checker(
        run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("crash_constructor"))
    assert done.returncode == 78
    assert "constructor" in done.stderr


@pytest.mark.parametrize("args,words", [
    (["echo", "size=1"], ["size", "echo"]),
    (["upper", "onec=true"], ["onec", "once"]),
    (["upper", "once=perhaps"], ["once", "perhaps"]),
    (["upper", "once"], ["once", "KEY=VALUE"]),
    (["http", "=x"], ["KEY=VALUE"]),
])
def test_a_bad_option_of_a_handler_is_refused_and_named(run_tine, args, words):
    done = run_tine(*LISTEN, *args)
    assert done.returncode in (64, 78)
    for word in words:
        assert word in done.stderr


def test_an_option_given_twice_is_78(run_tine):
    done = run_tine(*LISTEN, "upper", "once=true", "once=false")
    assert done.returncode == 78
    assert "once" in done.stderr


def test_a_value_out_of_bounds_is_78_with_the_bounds(run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("sleeper"), "seconds=86401")
    assert done.returncode == 78
    assert "seconds" in done.stderr and "86400" in done.stderr


def test_a_bad_escape_in_a_text_is_78(run_tine):
    done = run_tine(*LISTEN, "http", r"text=a\qb")
    assert done.returncode == 78
    assert "text" in done.stderr


def test_a_constructor_that_writes_a_result_of_its_own_is_78(run_tine, stage):
    """It reaches nothing that the master believes."""
    done = run_tine(*LISTEN, stage.handler("usurper"), 
                    env=dict(os.environ, TINE_USURP="1"))
    assert done.returncode == 78
    assert "usurper" in done.stderr and "ready" not in done.stderr
