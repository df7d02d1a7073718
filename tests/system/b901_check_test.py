# SPDX-License-Identifier: BSD-2-Clause
"""make check refuses what the layout forbids. Runs in copies of the tree."""
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"


@pytest.fixture
def tree(tmp_path):
    copy = tmp_path / "tine"
    shutil.copytree(TOP, copy, symlinks=True, ignore=shutil.ignore_patterns(
        ".git", "build", "build-*", "__pycache__", ".pytest_cache"))
    return copy


def run(tree, *command):
    return subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False)


def test_the_tree_as_it_is_passes_the_layers(tree):
    done = run(tree, "scripts/layers")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path, include", [
    ("master/planted.c", '"child/child.h"'),
    ("master/planted.c", "<tine.h>"),
    ("master/main.c", '"child/child.h"'),
    ("child/planted.c", '"master/master.h"'),
    ("shared/planted.c", '"child/child.h"'),
    ("shared/planted.h", '"master/master.h"'),
    ("shared/public/planted.h", '"shared/base.h"'),
    ("child/handlers/planted.c", '"shared/log.h"'),
    ("child/handlers/planted.c", '"child/child.h"'),
    ("child/handlers/planted.c", "<ev.h>"),
    ("child/handlers/planted.c", "<bsd/string.h>"),
    ("tests/handlers/planted.c", '"shared/ctl.h"'),
    ("tests/examples/planted.c", "<ev.h>"),
])
def test_an_include_from_a_forbidden_layer_is_named(tree, path, include):
    (tree / path).write_text(f"{SPDX}#  include {include}\n")
    done = run(tree, "scripts/layers")
    assert done.returncode == 1
    assert f"{path}: includes {include} from a layer" in done.stdout


def test_a_top_level_entry_that_the_layout_does_not_name_is_named(tree):
    (tree / "extra").mkdir()
    (tree / ".hidden").touch()
    done = run(tree, "scripts/layers")
    assert done.returncode == 1
    assert "extra: the layout has no such entry" in done.stdout
    assert ".hidden: the layout has no such entry" in done.stdout


def test_two_files_of_one_name_are_named(tree):
    (tree / "child/log.c").write_text(SPDX)
    done = run(tree, "scripts/layers")
    assert done.returncode == 1
    assert "log.c: more than one file has this name" in done.stdout


def test_a_file_without_its_licence_line_is_named(tree):
    (tree / "master/planted.c").write_text("int planted;\n")
    done = run(tree, "scripts/layers")
    assert done.returncode == 1
    assert "master/planted.c: has no SPDX line" in done.stdout


def test_make_check_fails_on_unformatted_code_and_on_a_wrong_include(tree):
    (tree / "master/planted.c").write_text(
        f'{SPDX}#include "child/child.h"\nint planted( void ){{return 1;}}\n')
    done = run(tree, "make", "-k", "check")
    assert done.returncode != 0
    assert "planted.c:3:" in done.stdout
    assert "should be clang-formatted" in done.stdout
    assert 'includes "child/child.h" from a layer' in done.stdout


def test_the_public_header_as_it_is_passes(tree):
    done = run(tree, "scripts/header")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("planted, said", [
    ("TINE_EXPORT int tine_planted(int);",
     "no comment before: TINE_EXPORT int tine_planted(int);"),
    ("struct tine_planted {\n\tint a;\n};", "no comment before: struct"),
    ("/* x */\nenum tine_planted { TINE_A };\nstruct ev_loop;",
     "names of our libraries"),
    ("/* x */\nTINE_EXPORT int tine_planted(int new);",
     "g++ -std=c++11 refuses it"),
    ("/* x */\nstruct tine_planted {\n\tint a;;\n};",
     "clang -std=c11 refuses it"),
])
def test_what_users_of_the_header_would_trip_over_is_named(
        tree, planted, said):
    header = tree / "shared/public/tine.h"
    text = header.read_text()
    header.write_text(text.replace("/* ---- input ---- */", planted, 1))
    done = run(tree, "scripts/header")
    assert done.returncode == 1
    assert said in done.stdout
