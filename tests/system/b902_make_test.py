# SPDX-License-Identifier: BSD-2-Clause
"""make install, uninstall, help, and documents that say what is there."""
import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("TINE_BUILD", "build")

HANDLER = """
#include <tine.h>
static enum tine_action
on_data(struct tine_conn *c)
{
    tine_close(c);
    return TINE_OK;
}
TINE_HANDLER(.name = "mine", .data = on_data);
"""


def make(*args):
    return subprocess.run(["make", "--no-print-directory", *args], cwd=TOP,
                          check=True, capture_output=True, text=True).stdout


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")
                  if p.is_file())


@pytest.fixture
def installed(tmp_path):
    # -o all: what is there is installed; a build now would disturb others.
    place = (f"BUILD={BUILD}", f"DESTDIR={tmp_path}", "PREFIX=/opt/tine")
    make("-o", "all", *place, "install")
    yield tmp_path, place


INSTALLED = {
    "bin/tine", "bin/tinectl", "include/tine.h", "lib/libtine.a",
    "lib/libtine.so", "lib/libtine.so.1", "lib/pkgconfig/tine.pc",
    "share/man/man8/tine.8", "share/man/man8/tinectl.8",
    "share/man/man5/tine.yaml.5", "share/man/man3/tine_handler.3",
    "share/bash-completion/completions/tine",
    "share/bash-completion/completions/tinectl",
    "share/tine/tine.yaml", "share/tine/logrotate",
    "lib/systemd/system/tine.service",
    "lib/systemd/system/tine.socket",
}


def test_install_puts_everything_below_prefix(installed):
    folder, _ = installed
    assert set(files(folder)) == {f"opt/tine/{name}" for name in INSTALLED}
    said = subprocess.run([folder / "opt/tine/bin/tine", "-v"], check=True,
                          capture_output=True, text=True).stdout
    assert re.fullmatch(r"tine \d+\.\d+\.\d+\n", said)
    assert os.access(folder / "opt/tine/bin/tinectl", os.X_OK)


def test_what_is_installed_names_the_programs_where_they_are(installed):
    folder, _ = installed
    unit = folder / "opt/tine/lib/systemd/system/tine.service"
    assert "ExecStart=/opt/tine/bin/tine " in unit.read_text()
    rules = (folder / "opt/tine/share/tine/logrotate").read_text()
    assert "/opt/tine/bin/tinectl reopen\n" in rules
    flags = (folder / "opt/tine/lib/pkgconfig/tine.pc").read_text()
    assert "\nprefix=/opt/tine\n" in flags
    assert "/usr/local" not in unit.read_text() + rules + flags


def test_uninstall_removes_what_install_put_there_and_nothing_else(installed):
    folder, place = installed
    (folder / "opt/tine/bin/other").touch()
    make(*place, "uninstall")
    assert files(folder) == ["opt/tine/bin/other"]
    assert not (folder / "opt/tine/share/tine").exists()
    make(*place, "uninstall")


def test_what_an_operator_put_beside_the_samples_stays(installed):
    folder, place = installed
    mine = folder / "opt/tine/share/tine/mine.yaml"
    mine.touch()
    make(*place, "uninstall")
    assert mine.exists()


def test_a_handler_builds_against_the_installed_header_alone(installed):
    folder, _ = installed
    (folder / "mine.c").write_text(HANDLER)
    subprocess.run(["gcc", "-std=c11", "-pedantic", "-Wall", "-Werror",
                    "-shared", "-fPIC", "-I", folder / "opt/tine/include",
                    "-o", folder / "mine.so", folder / "mine.c"], check=True)
    assert (folder / "mine.so").exists()


def test_help_names_every_target_that_the_documents_use():
    listed = {name for line in make("help").splitlines()
              if line.startswith("  ")
              for name in line[:24].split()}
    used = set()
    for document in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"):
        used |= set(re.findall(r"(?:`|^)make ([a-z_.]+)",
                               (TOP / document).read_text(), re.M))
    assert {"help", "check", "fuzz"} <= used
    assert used <= listed


def test_architecture_names_every_source_file_and_no_other():
    text = (TOP / "ARCHITECTURE.md").read_text()
    chapter = text.split("## Files, noun by noun")[1].split("\n## ")[0]
    named = {n.removeprefix("handlers/")
             for n in re.findall(r"\*\*([a-z0-9_/]+)\*\*", chapter)}
    there = {p.stem for folder in ("shared", "master", "child")
             for p in (TOP / folder).rglob("*.c")}
    # A header that declares the one crossing from master to child.
    assert named == there | {"heritage"}


def test_architecture_cites_only_tests_that_exist():
    text = (TOP / "ARCHITECTURE.md").read_text()
    system = set(re.findall(r"`([a-z]\d{3})`", text))
    unit = set(re.findall(r"`(test_\w+)`", text))
    assert system and unit
    assert not [n for n in system
                if not list((TOP / "tests/system").glob(f"{n}_*_test.py"))]
    assert not [n for n in unit
                if not (TOP / "tests/unit" / f"{n}.c").exists()]


def test_the_changelog_lists_the_options_that_are_built(stage):
    said = subprocess.run([stage.tine, "--help"], check=True, text=True,
                          capture_output=True).stdout
    lines = [line for line in said.splitlines()
             if re.match(r" +-", line) and "not built yet" not in line]
    built = {re.match(r" +(-\w|--[a-z-]+)", line)[1] for line in lines}
    log = (TOP / "CHANGELOG.md").read_text()
    listed = re.search(r"\*\*command line\*\*: `([^`]+)`", log)[1]
    assert set(listed.split()) == built


@pytest.mark.parametrize("program, words, said", [
    ("instructions.py", ["100"], r"(?m)^echo +\d+ instructions"),
    ("idle.py", ["200"], r"^-?\d+ bytes for each of 200 connections")])
def test_what_bench_runs_prints_its_figure(program, words, said):
    """Of a few requests and connections: what it says is not the matter."""
    build = TOP / BUILD
    if "-fsanitize" in (build / "flags").read_text():
        pytest.skip("valgrind runs no sanitizers")
    done = subprocess.run(
        ["/usr/bin/python3", TOP / "tests/bench" / program, build, *words],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(said, done.stdout), done.stdout
