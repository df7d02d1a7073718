# SPDX-License-Identifier: BSD-2-Clause
"""scripts/new-handler writes a folder that builds, tests and runs."""
import os
import pathlib
import subprocess

import pytest

import net

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.path.abspath(os.environ.get("TINE_BUILD", TOP / "build"))


def new_handler(*args, cwd=None):
    return subprocess.run([TOP / "scripts/new-handler", *args], cwd=cwd,
                          check=False, capture_output=True, text=True)


def make(folder, *args, **env):
    return subprocess.run(["make", "-C", folder, *args], check=False,
                          env=dict(os.environ, TINE_BUILD=BUILD, **env),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)


@pytest.fixture
def mine(folder):
    done = new_handler("chat_room", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return f"{folder}/chat_room"


def test_it_builds_and_tests_at_once(mine):
    done = make(mine, "test", "CFLAGS=-Wall -Wextra -pedantic -Werror")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok: ./chat_room\n" in done.stdout
    assert "tine ./chat_room.so\n" in done.stdout


def test_what_it_wrote_runs_as_its_readme_says(mine, tine):
    assert make(mine).returncode == 0
    readme = pathlib.Path(f"{mine}/README.md").read_text(encoding="utf-8")
    assert "tine -l 8888 -n auto ./chat_room.so greeting='good day, '" in readme
    for options in ({}, {"program": f"{mine}/chat_room"}):
        args = [] if options else [f"{mine}/chat_room.so"]
        t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", *args,
                 "greeting=good day, ", **options)
        assert t.listeners[0][1] == (args[0] if args else "chat_room")
        s = t.connect()
        s.sendall(b"reader\n")
        assert net.recv_line(s) == "good day, reader"


def test_its_test_fails_when_the_handler_is_wrong(mine):
    source = pathlib.Path(f"{mine}/chat_room.c")
    text = source.read_text(encoding="ascii")
    source.write_text(text.replace("tine_write(c, in, line)",
                                   "tine_write(c, in, 1)"), encoding="ascii")
    done = make(mine, "test")
    assert done.returncode != 0
    assert 'wanted "hi, world"' in done.stderr


def test_its_test_says_why_the_server_does_not_start(mine):
    source = pathlib.Path(f"{mine}/chat_room.c")
    text = source.read_text(encoding="ascii")
    source.write_text(text.replace('"greeting"', '"greting"', 1),
                      encoding="ascii")
    done = make(mine, "test")
    assert done.returncode != 0
    assert "unknown option greeting" in done.stderr
    assert "did you mean greting?" in done.stderr


def test_it_builds_with_what_is_installed(mine, stage):
    prefix = stage.folder()
    subprocess.run(["make", "-o", "all", f"BUILD={BUILD}", f"PREFIX={prefix}",
                    "install"], cwd=TOP, check=True, capture_output=True)
    done = make(mine, "test", "TINE=", LD_LIBRARY_PATH=f"{prefix}/lib",
                PKG_CONFIG_PATH=f"{prefix}/lib/pkgconfig")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok: {prefix}/bin/tine ./chat_room.so\n" in done.stdout


def test_its_scripts_are_clean(mine):
    subprocess.run(["shellcheck", f"{mine}/test.sh"], check=True)


@pytest.mark.parametrize("name", ["", ".", "Chat", "9lives", "a-b", "a b",
                                  "-x", "x" * 33])
def test_a_name_that_is_none_is_64(folder, name):
    done = new_handler(name, cwd=folder)
    assert done.returncode == 64
    assert done.stderr.startswith("scripts/new-handler: ")
    assert not os.listdir(folder)


def test_nothing_that_is_there_is_touched(mine, folder):
    before = sorted(os.listdir(mine))
    done = new_handler("chat_room", cwd=folder)
    assert done.returncode == 73
    assert "is there already" in done.stderr
    assert sorted(os.listdir(mine)) == before
