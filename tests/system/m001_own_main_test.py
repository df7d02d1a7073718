# SPDX-License-Identifier: BSD-2-Clause
"""tine_main(): a user's own binary is a whole server. tests/handlers/own_main.c
greets each connection with "WORD child GENERATION"."""

import os
import re
import signal
import subprocess

import pytest

import net
import procs
import upgrade
from load import Client, target

LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "2", *upgrade.QUICK)


@pytest.fixture
def own(stage):
    return stage.program("tests/handlers/own_main")


@pytest.fixture
def run_own(own, folder):
    def run(*args):
        return subprocess.run([own, *map(str, args)], cwd=folder, check=False,
                              capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    return run


def greeting(t, i=0):
    with t.connect(i) as s:
        return net.recv_line(s)


def answers_as(t, *words):
    """An old child may still take what reached it before it heard of that."""
    procs.eventually(lambda: greeting(t).split() == list(words), 20, words)


def test_without_a_word_it_serves_its_own_handler_in_children(tine, own):
    t = tine(*LISTEN, program=own)
    assert t.listeners[0][1] == "own_main"
    assert greeting(t).split() == ["hello", "child", "1"]


def test_key_value_is_an_option_of_its_own_handler(tine, own):
    t = tine(*LISTEN, "word=ahoy", program=own)
    assert greeting(t).split() == ["ahoy", "child", "1"]


def test_its_handler_can_be_named_beside_built_in_and_loaded_ones(
        tine, stage, own):
    whoami = stage.handler("whoami")
    t = tine(*LISTEN, "-l", "tcp://127.0.0.1:0?handler=echo", "-l",
             f"tcp://127.0.0.1:0?handler={whoami}", "own_main", "word=x",
             program=own)
    at = {handler: i for i, (_, handler) in enumerate(t.listeners)}
    assert set(at) == {"own_main", "echo", whoami}
    assert greeting(t, at["own_main"]).split() == ["x", "child", "1"]
    echo = t.connect(at["echo"])
    echo.sendall(b"back")
    assert net.recv_exact(echo, 4) == b"back"
    assert len(greeting(t, at[whoami]).split()) == 5


def test_the_same_source_is_a_handler_for_tine(tine, stage):
    t = tine(*LISTEN, stage.handler("own_main"), "word=loaded")
    assert greeting(t).split() == ["loaded", "child", "1"]


def test_a_file_need_not_name_its_handler(tine, own, folder):
    with open(f"{folder}/own.yaml", "w", encoding="ascii") as f:
        f.write("processes: 1\n"
                "servers:\n"
                "  - listen: [ tcp://127.0.0.1:0 ]\n"
                "    options: { word: from-a-file }\n")
    t = tine("-c", "own.yaml", program=own, folder=folder)
    assert greeting(t).split() == ["from-a-file", "child", "1"]


def test_help_version_and_errors_name_the_program(run_own):
    said = run_own("--help").stdout
    assert said.startswith("Usage: own_main [OPTION]")
    assert "without it own_main" in said
    assert "tine http" not in said
    assert max(map(len, said.splitlines())) <= 80
    for option in ("-v", "-V"):
        first = run_own(option).stdout.splitlines()[0]
        assert re.fullmatch(r"own_main \(tine \d+\.\d+\.\d+\)", first)
    done = run_own("--hlp")
    assert done.returncode == 64
    done = run_own("-q")
    assert "own_main --help lists the options" in done.stderr


def test_its_handler_is_the_first_that_is_listed(run_own):
    done = run_own("-H")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "own_main"
    assert re.search(r"word=STRING.*default: hello", lines[1])
    assert "http" in lines and "echo" in lines


def test_a_configuration_is_checked_and_dumped(run_own):
    done = run_own("-l", "0", "wrd=x", "-t")
    assert done.returncode == 78
    assert "handler own_main: unknown option wrd" in done.stderr
    assert "`own_main -H` lists all" in done.stderr
    done = run_own("-l", "127.0.0.1:0", "word=x", "-T")
    assert done.returncode == 0
    assert re.search(r"handler: own_main$", done.stdout, re.M)


def test_an_unknown_handler_is_told_the_nearest_of_all(run_own):
    done = run_own("-l", "127.0.0.1:0", "own_mian")
    assert done.returncode == 78
    assert "did you mean own_main?" in done.stderr


def test_single_serves_in_one_process(tine, own):
    """There the process is the child."""
    t = tine("-l", "tcp://127.0.0.1:0", "-X", program=own, control=False,
             ready=False, code=69)
    t.wait_log("start runs in the master", 10)
    assert t.wait(10) == 69


def test_it_reloads_scales_and_answers_tinectl(tine, own):
    t = tine(*LISTEN, program=own)
    before = set(t.children().values())
    assert t.tinectl("reload").returncode == 0
    after = t.wait_children(2, without=before)
    answers_as(t, "hello", "child", "2")
    assert t.tinectl("scale", "3").returncode == 0
    t.wait_children(3)
    assert t.tinectl("kill", "0").returncode == 0
    assert t.wait_children(3)[0] != after[0]
    assert t.tinectl("stop").returncode == 0
    assert t.wait(10) == 0


def test_an_upgrade_runs_its_own_file(tine, own, folder):
    program = upgrade.put(own, f"{folder}/own_main")
    t = tine(*LISTEN, "word=ahoy", folder=folder, program=program)
    before = set(t.children().values())
    inode = os.stat(upgrade.put(own, program)).st_ino
    upgrade.good(t)
    t.wait_children(2, without=before)
    assert os.stat(f"/proc/{t.pid}/exe").st_ino == inode
    assert procs.status_field(t.pid, "Name") == "own_main"
    assert t.status()["master"]["upgrades"] == 1
    answers_as(t, "ahoy", "child", "2")
    # The command line is its own still.
    t.signal(signal.SIGHUP)
    answers_as(t, "ahoy", "child", "3")


def test_no_request_fails_while_it_reloads_and_upgrades(tine, own, stage):
    t = tine(*LISTEN, "echo", program=own)
    with Client(stage, t.folder, "echo", target(t.address()), rate=200,
                bytes=200, pace=1000) as load:
        for _ in range(5):
            upgrade.good(t)
            assert t.tinectl("reload").returncode == 0
        report = load.finish()
    assert not any(report["failures"].values()), report
    assert t.status()["master"]["upgrades"] == 5


def test_what_is_no_such_program_does_not_take_its_place(tine, own, stage,
                                                         folder):
    """tine can read the state, and has no such handler."""
    program = upgrade.put(own, f"{folder}/own_main")
    t = tine(*LISTEN, folder=folder, program=program)
    before = t.children()
    upgrade.put(stage.tine, program)
    upgrade.bad(t, "unknown handler own_main")
    upgrade.cut(program, 5000)
    upgrade.bad(t, ".")
    assert t.children() == before
    assert greeting(t).split() == ["hello", "child", "1"]
    upgrade.put(own, program)
    upgrade.good(t)


def test_it_runs_in_the_background(own, background):
    t = background(*LISTEN, program=own)
    assert (t.done.returncode, t.done.stdout, t.done.stderr) == (0, "", "")
    with t.connect() as s:
        assert net.recv_line(s).split() == ["hello", "child", "1"]
    pid = t.pid
    assert t.tinectl("stop").returncode == 0
    assert procs.wait_gone([pid], 10) == []
