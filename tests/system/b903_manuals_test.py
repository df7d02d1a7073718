# SPDX-License-Identifier: BSD-2-Clause
"""The manuals: every option, command, signal and exit code stands in them, and
nothing that is not there."""

import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
TINE = TOP / "master/tine.8"
TINECTL = TOP / "master/tinectl.8"

SIGNALS = {"TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "TTIN", "TTOU",
           "WINCH", "PIPE"}
EXIT_CODES = {0, 1, 64, 69, 71, 73, 77, 78}


def chapter(manual, title):
    found = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)",
                      manual.read_text(), re.M | re.S)
    return found[1]


def options_of(program):
    """{option: None or the name of its value}, as --help lists them."""
    said = subprocess.run([program, "--help"], check=True, text=True,
                          capture_output=True).stdout
    found = {}
    for line in said.splitlines():
        head = re.match(r" +((?:-\w)?(?:, )?(?:--[a-z-]+)?)( [A-Z]\S*)?(?: |$)",
                        line)
        if head and head[1]:
            for name in head[1].split(", "):
                found[name.strip()] = head[2]
    return found


def options_in(manual):
    found = set()
    for item in re.findall(r"^\.It (Fl .*)$", manual.read_text(), re.M):
        item = re.sub(r" Ar .*", "", item)
        found |= {"-" + name for name in re.findall(r"Fl (\S+)", item)}
    return found


def test_every_option_of_help_is_in_its_manual_and_no_other(stage):
    for program, manual in ((stage.tine, TINE), (stage.tinectl, TINECTL)):
        listed = set(options_of(program))
        assert len(listed) >= 6
        assert options_in(manual) == listed


def test_every_option_is_in_the_synopsis(stage):
    said = chapter(TINE, "SYNOPSIS")
    letters = set(re.search(r"^\.Op Fl (\w+)$", said, re.M)[1])
    letters |= set(re.findall(r"^\.Op Fl (\w) Ar", said, re.M))
    short = {name[1] for name in options_of(stage.tine) if len(name) == 2}
    assert letters == short


def test_what_is_not_built_says_so_in_the_manual_too(stage):
    said = subprocess.run([stage.tine, "--help"], check=True, text=True,
                          capture_output=True).stdout
    missing = {re.match(r" +(-\w|--[a-z-]+)", line)[1][1:]
               for line in said.splitlines() if "not built yet" in line}
    items = re.split(r"^\.It ", chapter(TINE, "DESCRIPTION"), flags=re.M)[1:]
    assert {re.match(r"Fl (\S+)", item)[1] for item in items
            if "Not built yet" in item} == missing


def test_every_command_of_tinectl_is_in_its_manual_and_no_other(stage):
    said = subprocess.run([stage.tinectl, "--help"], check=True, text=True,
                          capture_output=True).stdout
    listed = set(re.findall(r"^  ([a-z][a-z-]*) ", said, re.M))
    assert {"status", "drain", "metrics"} <= listed
    assert set(re.findall(r"^\.It Cm ([a-z-]+)", TINECTL.read_text(),
                          re.M)) == listed


def test_every_signal_and_every_exit_code_is_in_the_manual():
    signals = set(re.findall(r"SIG([A-Z0-9]+)", "".join(
        line for line in chapter(TINE, "SIGNALS").splitlines(True)
        if line.startswith(".It"))))
    assert signals == SIGNALS
    codes = {int(n) for n in re.findall(r"^\.It (\d+)$",
                                        chapter(TINE, "EXIT STATUS"), re.M)}
    assert codes == EXIT_CODES
    codes = {int(n) for n in re.findall(r"^\.It (\d+)$",
                                        chapter(TINECTL, "EXIT STATUS"), re.M)}
    assert codes == {0, 1, 2, 64}


@pytest.mark.parametrize("manual", [TINE, TINECTL], ids=lambda p: p.name)
def test_a_manual_prints_without_a_complaint(manual):
    done = subprocess.run(["mandoc", "-T", "ascii", "-W", "warning", manual],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(re.sub(".\b", "", line))
               for line in done.stdout.splitlines()) <= 80
