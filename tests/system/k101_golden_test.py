# SPDX-License-Identifier: BSD-2-Clause
"""Wrong configurations and command lines, each with the text that it gets, to
the letter. A case is a file of golden/: `=== tine ARG...`, then `=== NAME` and
the text of each configuration file, then `=== exit CODE` and stderr."""

import os
import re

import pytest

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
SECTION = re.compile(rb"^=== (.*)\n", re.MULTILINE)


def read_case(name):
    """The arguments, the files by name, the exit code, stderr."""
    with open(f"{GOLDEN}/{name}", "rb") as f:
        parts = SECTION.split(f.read())
    heads = [head.decode() for head in parts[1::2]]
    texts = parts[2::2]
    assert heads[0].startswith("tine ") and heads[-1].startswith("exit ")
    return (heads[0].split()[1:], dict(zip(heads[1:-1], texts[1:-1])),
            int(heads[-1].split()[1]), texts[-1].decode("ascii"))


@pytest.mark.parametrize("name", sorted(os.listdir(GOLDEN)))
def test_a_mistake_gets_its_text_and_its_exit_code(run_tine, folder, name):
    args, files, code, text = read_case(name)
    for path, content in files.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
    done = run_tine(*args)
    assert done.stderr == text
    assert done.returncode == code


def test_there_are_sixty_of_them_and_more():
    cases = [read_case(name) for name in os.listdir(GOLDEN)]
    assert len([c for c in cases if c[2] != 0]) >= 60
