# SPDX-License-Identifier: BSD-2-Clause
"""-v, -V, -h and -H: what tine says about itself."""

import re

import pytest


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_version_is_one_line_on_stdout(run_tine, option):
    done = run_tine(option)
    assert done.returncode == 0
    assert re.fullmatch(r"tine \d+\.\d+\.\d+\n", done.stdout)
    assert done.stderr == ""


def test_build_names_compiler_and_libraries(run_tine):
    done = run_tine("-V")
    assert done.returncode == 0
    for word in ("tine ", "libev", "libbsd", "jansson"):
        assert word in done.stdout


OPTIONS = """--listen --processes --accept --balance --config --option --daemon
    --pid-file --user --control --admin --log --log-level --test --dump
    --handlers --single --version --help""".split()


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_every_option_on_stdout(run_tine, option):
    done = run_tine(option)
    assert done.returncode == 0
    assert done.stderr == ""
    missing = [o for o in OPTIONS if o not in done.stdout]
    assert missing == []


def test_help_fits_into_80_columns(run_tine):
    wide = [x for x in run_tine("-h").stdout.splitlines() if len(x) > 80]
    assert wide == []


@pytest.mark.parametrize("option", ["-H", "--handlers"])
def test_handlers_are_listed_with_their_options(run_tine, option):
    done = run_tine(option)
    assert done.returncode == 0
    for word in ("echo", "upper", "discard", "http", "root", "text", "index",
                 "once"):
        assert re.search(rf"\b{word}\b", done.stdout), word


def test_a_loaded_handler_is_listed_with_its_options(run_tine, stage):
    done = run_tine("-H", stage.handler("sleeper"))
    assert done.returncode == 0
    assert "sleeper" in done.stdout
    assert re.search(r"seconds.*60", done.stdout)
