# SPDX-License-Identifier: BSD-2-Clause
"""What may be loaded as a handler, and what comes of that which should not."""

import os
import re
import subprocess

import pytest

import net
import upgrade
from tine import REPORT

LISTEN = ("-C", "none", "-l", "tcp://127.0.0.1:0")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="a rule for root only")
STRANGER = 12345


@pytest.fixture
def game(stage, folder):
    """A handler in a folder of its own."""
    os.mkdir(f"{folder}/sub", 0o755)
    return upgrade.put(stage.handler("whoami"), f"{folder}/sub/game.so", 0o644)


# ---- what is no handler ----

@pytest.mark.parametrize("percent", [0, 1, 5, 30, 50, 70])
def test_a_shared_object_that_was_cut_is_78(run_tine, stage, folder, percent):
    game = f"{folder}/game.so"
    subprocess.run(["strip", "-o", game, stage.handler("whoami")], check=True)
    upgrade.cut(game, os.path.getsize(game) * percent // 100)
    done = run_tine(*LISTEN, game, timeout=30)
    assert done.returncode == 78
    assert "game.so" in done.stderr and "hint:" in done.stderr
    assert "ready:" not in done.stderr


@pytest.mark.parametrize("text", ["", "not an object\n", "\177ELF", "#!/bin/sh"])
def test_a_text_is_78_and_says_what_belongs_there(run_tine, folder, text):
    with open(f"{folder}/text.so", "w", encoding="latin-1") as f:
        f.write(text)
    done = run_tine(*LISTEN, "./text.so")
    assert done.returncode == 78
    assert "text.so" in done.stderr
    assert "give the path of a shared object" in done.stderr


def test_a_folder_is_no_handler(run_tine, folder):
    os.mkdir(f"{folder}/folder.so", 0o755)
    done = run_tine(*LISTEN, "./folder.so")
    assert done.returncode in (77, 78)
    assert "folder.so" in done.stderr


def test_another_abi_is_told_with_what_is_spoken(run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("wrong_abi"))
    assert done.returncode == 78
    assert "built for ABI 3, this server speaks 1; rebuild" in done.stderr


def test_a_constructor_that_ends_the_process_is_78(run_tine, stage):
    done = run_tine(*LISTEN, stage.handler("exit_constructor"))
    assert done.returncode == 78
    if not REPORT.search(done.stderr):
        assert "loading it ended with exit code 0" in done.stderr
    assert "its constructor is to blame" in done.stderr


@pytest.mark.parametrize("name", ["crash_constructor", "exit_constructor"])
def test_a_list_says_what_loading_does_to_the_process(run_tine, stage, name):
    done = run_tine("-H", stage.handler(name))
    assert (done.returncode, done.stdout) == (78, "")
    assert "its constructor is to blame" in done.stderr


def test_what_a_constructor_forks_hides_no_death(tine, stage):
    t = tine(*LISTEN[2:], "-n", "2", stage.handler("fork_constructor"),
             leaves=True)
    victim = t.children()[0]
    assert t.tinectl("kill", 0, timeout=10).returncode == 0
    assert t.wait_children(2)[0] != victim
    s = t.connect()
    s.sendall(b"x")
    assert net.recv_exact(s, 1) == b"x"


def test_a_start_that_takes_its_time_is_waited_for(tine, stage):
    t = tine(*LISTEN[2:], "-n", "2", stage.handler("sleeper"), "start=1",
             "seconds=0")
    assert t.ready == 2
    s = t.connect()
    s.sendall(b"x")
    assert net.recv_exact(s, 1) == b"x"


# ---- who may have written it ----

def open_file(game):
    os.chmod(game, 0o666)


def open_to_the_group(game):
    os.chmod(game, 0o664)


def strangers_file(game):
    os.chown(game, STRANGER, 0)


def open_folder(game):
    os.chmod(os.path.dirname(game), 0o777)


def strangers_folder(game):
    os.chown(os.path.dirname(game), STRANGER, 0)


def strangers_link(game):
    """A link of somebody else's leads to what is all root's."""
    os.rename(game, game + ".1")
    os.symlink(game + ".1", game)
    os.chown(game, STRANGER, 0, follow_symlinks=False)


WAYS = [
    (open_file, "file .*game.so can be written by others", "chmod go-w"),
    (open_to_the_group, "file .*can be written by others", "chmod go-w"),
    (strangers_file, "file .*game.so belongs to another user", "chown root"),
    (open_folder, "folder .*/sub can be written by others", "chmod go-w"),
    (strangers_folder, "folder .*/sub belongs to another", "chown root"),
    (strangers_link, "link .*game.so belongs to another", "chown root"),
]


@as_root
@pytest.mark.parametrize("spoil, words, hint", WAYS)
def test_root_loads_nothing_that_others_can_write(
        run_tine, game, spoil, words, hint):
    spoil(game)
    done = run_tine(*LISTEN, game)
    assert done.returncode == 77
    said = " ".join(done.stderr.splitlines())
    assert re.search(words, said), said
    assert hint in said
    assert "handler" in said


@as_root
def test_root_lists_nothing_that_others_can_write(run_tine, game):
    assert run_tine("-H", game).stdout == "whoami\n"
    open_file(game)
    done = run_tine("-H", game)
    assert (done.returncode, done.stdout) == (77, "")
    assert "chmod go-w" in done.stderr


@as_root
def test_a_reload_to_what_others_can_write_is_refused(tine, stage, folder,
                                                      game):
    with open(f"{folder}/t.yaml", "w", encoding="ascii") as f:
        f.write("processes: 2\ntiming: { prove: 0, commit: 0 }\nservers:\n"
                f"  - listen: [ tcp://127.0.0.1:0 ]\n    handler: {game}\n")
    t = tine("-c", "t.yaml", folder=folder)
    before = t.children()
    open_file(game)
    done = t.tinectl("reload")
    assert done.returncode == 1
    assert "can be written by others" in done.stderr
    assert t.children() == before
    os.chmod(game, 0o644)
    assert t.tinectl("reload").returncode == 0


@as_root
def test_a_new_child_loads_nothing_that_others_can_write_since(tine, game):
    """The place is empty until that is mended."""
    t = tine(*LISTEN[2:], "-n", "2", game)
    open_file(game)
    os.kill(t.children()[0], 9)
    t.wait_log("can be written by others", 10)
    assert list(t.children()) == [1]
    os.chmod(game, 0o644)
    t.wait_children(2, timeout=60)


@as_root
def test_who_is_not_root_loads_what_is_its_own(tine, game):
    os.chown(game, 65534, 65534)
    os.chmod(game, 0o666)
    t = tine(*LISTEN[2:], "-n", "1", game, user="nobody", control=False)
    with t.connect() as s:
        assert net.recv_line(s)
