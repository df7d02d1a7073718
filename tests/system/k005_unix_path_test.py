# SPDX-License-Identifier: BSD-2-Clause
"""Unix paths that cannot be bound."""

import os


def test_a_regular_file_is_73_and_stays(run_tine, folder):
    path = f"{folder}/file"
    with open(path, "w", encoding="ascii") as f:
        f.write("mine")
    done = run_tine("-C", "none", "-l", f"unix://{path}", "echo")
    assert done.returncode == 73
    assert path in done.stderr and "not a socket" in done.stderr
    with open(path, encoding="ascii") as f:
        assert f.read() == "mine"


def test_a_path_of_a_live_server_is_69_and_it_goes_on(run_tine, tine):
    t = tine("-l", "unix://socket", "-n", "1", "echo")
    done = run_tine("-C", "none", "-l", f"unix://{t.folder}/socket", "echo")
    assert done.returncode == 69
    assert f"{t.folder}/socket is in use" in done.stderr
    assert f"pid {t.pid}" in done.stderr
    s = t.connect()
    s.sendall(b"x")
    assert s.recv(1) == b"x"


def test_an_abstract_name_of_a_live_server_is_69(run_tine, tine):
    name = f"@tine-live-{os.getpid()}"
    tine("-l", f"unix://{name}", "-n", "1", "echo")
    done = run_tine("-C", "none", "-l", f"unix://{name}", "echo")
    assert done.returncode == 69
    assert name in done.stderr


def test_a_folder_that_is_missing_is_73(run_tine, folder):
    done = run_tine("-C", "none", "-l", f"unix://{folder}/none/socket", "echo")
    assert done.returncode == 73
    assert "none" in done.stderr


def test_a_stale_link_is_not_followed(run_tine, folder):
    os.symlink(f"{folder}/target", f"{folder}/socket")
    done = run_tine("-C", "none", "-l", f"unix://{folder}/socket", "echo")
    assert done.returncode == 73
    assert os.path.islink(f"{folder}/socket")
