# SPDX-License-Identifier: BSD-2-Clause
"""http root= that cannot be served."""

import os

import pytest

LISTEN = ["-C", "none", "-l", "tcp://127.0.0.1:0"]


def test_a_root_that_is_missing_is_78_and_named(run_tine):
    done = run_tine(*LISTEN, "http", "root=missing")
    assert done.returncode == 78
    assert "root" in done.stderr and "missing" in done.stderr


def test_a_root_that_is_a_file_is_78(run_tine, folder):
    with open(f"{folder}/file", "w", encoding="ascii"):
        pass
    done = run_tine(*LISTEN, "http", "root=file")
    assert done.returncode == 78
    assert "folder" in done.stderr or "directory" in done.stderr.lower()


@pytest.mark.skipif(os.getuid() != 0, reason="children are then no one else")
def test_a_root_that_children_cannot_read_is_78_and_names_them(
        run_tine, folder):
    os.mkdir(f"{folder}/closed", 0o700)
    done = run_tine(*LISTEN, "http", "root=closed")
    assert done.returncode == 78
    assert "closed" in done.stderr
    assert "nobody" in done.stderr or "65534" in done.stderr
