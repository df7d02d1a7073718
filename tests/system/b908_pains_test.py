# SPDX-License-Identifier: BSD-2-Clause
"""ARCHITECTURE.md tells for each pain of others which test would see it."""

import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
TEXT = (TOP / "ARCHITECTURE.md").read_text()
CITED = re.findall(r"`(\w+)::(\w+)`", TEXT)


def is_there(file, name):
    """A system test by its file's name without _test.py, or a unit test."""
    unit = TOP / "tests" / "unit" / f"{file}.c"
    if unit.exists():
        return re.search(rf"^{name}\(void \*\*state\)$", unit.read_text(),
                         re.M)
    system = TOP / "tests" / "system" / f"{file}_test.py"
    return system.exists() and re.search(
        rf"^def test_{name}\(", system.read_text(), re.M)


def test_every_test_that_is_cited_exists():
    assert CITED
    assert [f"{file}::{name}" for file, name in CITED
            if not is_there(file, name)] == []


def test_all_46_pains_have_a_test():
    chapter = TEXT.split("## Pains of others")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", chapter, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 47))
    assert [number for number, row in rows if "::" not in row] == []
