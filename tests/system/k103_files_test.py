# SPDX-License-Identifier: BSD-2-Clause
"""Configuration files: which are read, in which order, what wins, who may own
them and who reads them."""

import os
import re
import shutil
import subprocess

import pytest

SERVER = "servers: [ { listen: [ 'tcp://127.0.0.1:0' ], handler: %s } ]\n"

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def put(folder):
    """put("conf.d/a.yaml", text) writes a file below the folder."""

    def write(name, text, mode=0o644):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    return write


@pytest.fixture
def dump(run_tine, folder):
    def make(*args, **options):
        done = run_tine("-T", *args, cwd=folder, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return make


def handlers_of(text):
    return re.findall(r"^    handler: (\S+)$", text, re.MULTILINE)


# ---- what is read ----

def test_servers_of_a_file_are_served(tine, put, folder):
    put("t.yaml", SERVER % "echo" + "processes: 1\ncontrol: none\n")
    t = tine("-c", "t.yaml", folder=folder, control=None)
    with t.connect() as s:
        s.sendall(b"hello")
        assert s.recv(5) == b"hello"


def test_every_server_has_its_own_handler_options_and_timeouts(
        tine, put, folder):
    put("t.yaml", """
processes: 1
control: none
servers:
  - listen: 127.0.0.1:0
    handler: http
    options: { text: "one\\n" }
  - listen: [ "127.0.0.1:0", "unix://two" ]
    handler: upper
    timeouts: { first-byte: 300ms }
""")
    t = tine("-c", "t.yaml", folder=folder, control=None)
    assert [h for _, h in t.listeners] == ["http", "upper", "upper"]
    with t.connect(0) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert s.makefile("rb").read().endswith(b"one\n")
    with t.connect(2) as s:
        s.sendall(b"abc")
        assert s.recv(3) == b"ABC"
    with t.connect(1) as s:
        # No first byte: closed after 300 ms.
        assert s.recv(1) == b""


def test_servers_add_up_in_the_order_of_files_and_command_line(dump, put):
    put("a.yaml", SERVER % "echo")
    put("b.yaml", SERVER % "upper")
    text = dump("-c", "b.yaml", "-c", "a.yaml", "-l", "127.0.0.1:0", "discard")
    assert handlers_of(text) == ["upper", "echo", "discard"]


def test_with_a_file_no_server_of_its_own_comes_to_be(dump, put):
    put("a.yaml", SERVER % "echo")
    assert handlers_of(dump("-c", "a.yaml")) == ["echo"]
    assert handlers_of(dump("-c", "a.yaml", "upper")) == ["echo", "upper"]


def test_a_folder_is_its_yaml_files_in_order(dump, put):
    put("d/20.yaml", SERVER % "upper")
    put("d/10.yaml", SERVER % "echo")
    put("d/.hidden.yaml", SERVER % "discard")
    put("d/30.yml", SERVER % "discard")
    put("d/40.yaml~", "nonsense")
    assert handlers_of(dump("-c", "d")) == ["echo", "upper"]
    assert handlers_of(dump("-c", "d/")) == ["echo", "upper"]


def test_includes_are_relative_to_the_file_that_names_them(dump, put):
    put("etc/t.yaml", "include: [ conf.d/*.yaml, one.yml ]\n" +
        SERVER % "http")
    put("etc/conf.d/b.yaml", "include: deep/c.yaml\n" + SERVER % "upper")
    put("etc/conf.d/a.yaml", SERVER % "echo")
    put("etc/conf.d/deep/c.yaml", SERVER % "discard")
    put("etc/one.yml", "processes: 7\n")
    text = dump("-c", "etc/t.yaml")
    # What an included file includes comes after all of its neighbours.
    assert handlers_of(text) == ["http", "echo", "upper", "discard"]
    assert text.startswith("processes: 7\n")


def test_an_include_without_a_match_is_no_error(dump, put):
    put("t.yaml", "include: [ conf.d/*.yaml, none*.yaml ]\n" + SERVER % "echo")
    assert handlers_of(dump("-c", "t.yaml")) == ["echo"]


# ---- what wins ----

def test_a_later_file_wins_an_include_over_its_file_the_command_line_over_all(
        dump, put):
    put("a.yaml", "processes: 2\ndrain-timeout: 2s\nstart-timeout: 2s\n"
        "hang-timeout: 11s\ninclude: i.yaml\n" + SERVER % "echo")
    put("i.yaml", "start-timeout: 3s\n")
    put("b.yaml", "drain-timeout: 4s\nlog: { level: error }\n")
    text = dump("-c", "a.yaml", "-c", "b.yaml", "-n", "5",
                "-o", "log.level=debug", "-o", "hang-timeout=12s",
                "-o", "servers.0.handler=upper")
    for line in ("processes: 5", "start-timeout: 3s", "drain-timeout: 4s",
                 "hang-timeout: 12s", "  level: debug"):
        assert line in text.splitlines()
    assert handlers_of(text) == ["upper"]


def test_of_options_of_the_command_line_the_last_wins(dump):
    assert dump("-o", "processes=2", "-n", "3").startswith("processes: 3\n")
    assert dump("-n", "3", "-o", "processes=2").startswith("processes: 2\n")


def test_a_listener_of_an_option_replaces_those_of_the_file(dump, put):
    put("t.yaml", "servers: [ { listen: [ ':1', ':2' ] } ]\n")
    key = "servers.0.listen="
    text = dump("-c", "t.yaml", "-o", key + ":3", "-o", key + ":4")
    assert re.findall(r'"tcp://:(\d)"', text) == ["3", "4"]
    text = dump("-c", "t.yaml", "-l", ":5", "-o", "servers.1.listen=:6")
    assert re.findall(r'"tcp://:(\d)"', text) == ["1", "2", "6"]


def test_options_and_servers_work_without_a_file(dump):
    text = dump("-o", "servers.0.options.once=true", "-l", "127.0.0.1:0",
                "upper")
    assert "      once: true\n" in text


def test_the_single_process_reads_files_too(tine, put, folder):
    put("t.yaml", SERVER % "upper")
    t = tine("-X", "-c", "t.yaml", folder=folder, control=None)
    with t.connect() as s:
        s.sendall(b"a")
        assert s.recv(1) == b"A"


def test_the_single_process_names_all_errors(run_tine, put, folder):
    put("t.yaml", "processes: none\nacept: auto\n" + SERVER % "upper")
    done = run_tine("-X", "-c", "t.yaml", cwd=folder)
    assert done.returncode == 78
    assert "t.yaml:1:12: " in done.stderr and "t.yaml:2:1: " in done.stderr


# ---- who may own it, and who reads it ----

def test_a_file_that_may_not_be_read_is_77(run_tine, put, folder):
    path = put("t.yaml", SERVER % "echo", mode=0)
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    done = run_tine("-t", "-c", "t.yaml", cwd=folder, **user)
    assert done.returncode == 77
    assert done.stderr.startswith(
        "tine: configuration file t.yaml: Permission denied\ntine: hint: ")
    assert os.path.exists(path)


@root_only
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_root_refuses_a_file_that_others_can_write(
        run_tine, put, folder, mode):
    put("t.yaml", SERVER % "echo", mode)
    done = run_tine("-t", "-c", "t.yaml", cwd=folder)
    assert done.returncode == 78
    assert done.stderr == (
        f"tine: configuration file t.yaml: others may write it (mode "
        f"{mode:04o})\ntine: hint: root's is root's own: chmod go-w t.yaml\n")


@root_only
def test_root_refuses_an_included_file_of_somebody_else(run_tine, put, folder):
    put("t.yaml", "include: i.yaml\n" + SERVER % "echo")
    shutil.chown(put("i.yaml", ""), "nobody")
    done = run_tine("-t", "-c", "t.yaml", cwd=folder)
    assert done.returncode == 78
    assert done.stderr.startswith(
        "tine: t.yaml:1:10: configuration file i.yaml: it belongs to user ")
    assert "hint: root's is root's own: chown root i.yaml\n" in done.stderr


@root_only
def test_another_user_may_read_what_he_likes(run_tine, put, folder):
    put("t.yaml", SERVER % "echo", 0o666)
    done = run_tine("-t", "-c", "t.yaml", cwd=folder, user="nobody")
    assert done.returncode == 0, done.stderr


@root_only
def test_files_that_only_root_can_read_are_read_by_nobody(
        stage, put, folder):
    put("t.yaml", "include: secret/i.yaml\n" + SERVER % "echo", 0o600)
    put("secret/i.yaml", "processes: 2\n", 0o600)
    os.chmod(f"{folder}/secret", 0o700)
    calls = "trace=openat,pread64,setresuid"
    done = subprocess.run(
        ["strace", "-f", "-qq", "-s", "200", "-o", f"{folder}/trace", "-e",
         calls, stage.tine, "-t", "-c", "t.yaml"], cwd=folder, timeout=60,
        # The leak checker traces its process itself.
        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"),
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    dropped, readers, openers = set(), set(), set()
    with open(f"{folder}/trace", encoding="utf-8") as f:
        for line in f:
            pid, call = line.split(maxsplit=1)
            if re.match(r"setresuid\(65534, 65534, 65534\) += 0", call):
                dropped.add(pid)
            elif call.startswith("pread64(") and "servers: " in call:
                readers.add(pid)
            elif call.startswith("openat(") and ".yaml" in call:
                openers.add((pid, pid in dropped))
    assert len(readers) == 1 and readers <= dropped
    assert len(openers) == 1 and not list(openers)[0][1]
    assert not readers & {pid for pid, _ in openers}
