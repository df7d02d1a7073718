# SPDX-License-Identifier: BSD-2-Clause
"""conf/completion.bash, run by bash itself."""

import pathlib
import shlex
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]

SCRIPT = """
. "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
set -- $(complete -p "${COMP_WORDS[0]##*/}")
while [ "$1" != -F ]; do shift; done
"$2" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" \\
    "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(stage, folder):
    """complete("tine -l"): what bash offers for the last word."""

    def ask(line, program=None):
        words = shlex.split(line.replace("_", "''"))
        words[0] = program or getattr(stage, words[0])
        done = subprocess.run(
            ["bash", "--norc", "-c", SCRIPT, "bash",
             TOP / "conf/completion.bash", *words], cwd=folder, text=True,
            capture_output=True, timeout=20, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return ask


# _ stands for an empty word.
@pytest.mark.parametrize("line, words", [
    ("tine --li", ["--listen"]),
    ("tine -n 2 --log", ["--log", "--log-level"]),
    ("tine -a _", ["auto", "reuseport", "shared"]),
    ("tine --log-level d", ["debug"]),
    ("tine e", ["echo"]),
    ("tine -l 8080 http _", ["root=", "index=", "text="]),
    ("tine http root=. i", ["index="]),
    ("tine upper _", ["once="]),
    ("tinectl st", ["status", "stop"]),
    ("tinectl stop _", ["--now"]),
    ("tinectl status --", ["--json"]),
    ("tinectl log-level w", ["warn"]),
    ("tinectl scale _", ["+1", "-1", "auto"]),
    ("tinectl re", ["reload", "reopen"]),
    ("tinectl --time", ["--timeout"]),
])
def test_what_is_offered(complete, line, words):
    assert complete(line) == words


def test_every_option_and_every_command_is_offered(complete, stage):
    for program in ("tine", "tinectl"):
        said = subprocess.run([getattr(stage, program), "--help"], check=True,
                              text=True, capture_output=True).stdout
        options = {word.strip(",") for line in said.splitlines()
                   if line.startswith(("  -", "      --"))
                   for word in line.split()[:2] if word.startswith("-")}
        assert len(options) >= 6
        assert set(complete(f"{program} -")) == options
    commands = {line.split()[0] for line in said.splitlines()
                if line.startswith("  ") and line[2].isalpha()}
    assert set(complete("tinectl _")) == commands


def test_a_handler_may_be_a_file(complete, folder):
    for name in ("game.so", "game.c"):
        (pathlib.Path(folder) / name).touch()
    assert complete("tine _") == ["http", "echo", "upper", "discard",
                                  "game.so"]


def test_the_places_are_those_of_the_server(complete, tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "3", "echo")
    program = pathlib.Path(t.folder) / "tinectl"
    program.write_text(f'#!/bin/sh\nexec {t.stage.tinectl} -C {t.control} "$@"\n')
    program.chmod(0o755)
    assert complete("tinectl drain _", program) == ["0", "1", "2"]
    t.stop()
    assert complete("tinectl drain _", program) == []
