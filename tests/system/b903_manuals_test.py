# SPDX-License-Identifier: BSD-2-Clause
"""The manuals: every option, command, signal and exit code stands in them, and
nothing that is not there."""

import pathlib
import re
import shlex
import socket
import subprocess
import time

import pytest

import net

TOP = pathlib.Path(__file__).resolve().parents[2]
TINE = TOP / "master/tine.8"
TINECTL = TOP / "master/tinectl.8"
HANDLER = TOP / "shared/public/tine_handler.3"
HEADER = TOP / "shared/public/tine.h"

SIGNALS = {"TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "TTIN", "TTOU",
           "WINCH", "PIPE"}
EXIT_CODES = {0, 1, 64, 69, 71, 73, 77, 78}


def chapter(manual, title):
    found = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)",
                      manual.read_text(), re.M | re.S)
    return found[1]


def options_of(program):
    """{option: None or the name of its value}, as --help lists them."""
    said = subprocess.run([program, "--help"], check=True, text=True,
                          capture_output=True).stdout
    found = {}
    for line in said.splitlines():
        head = re.match(r" +((?:-\w)?(?:, )?(?:--[a-z-]+)?)( [A-Z]\S*)?(?: |$)",
                        line)
        if head and head[1]:
            for name in head[1].split(", "):
                found[name.strip()] = head[2]
    return found


def options_in(manual):
    found = set()
    for item in re.findall(r"^\.It (Fl .*)$", manual.read_text(), re.M):
        item = re.sub(r" Ar .*", "", item)
        found |= {"-" + name for name in re.findall(r"Fl (\S+)", item)}
    return found


def test_every_option_of_help_is_in_its_manual_and_no_other(stage):
    for program, manual in ((stage.tine, TINE), (stage.tinectl, TINECTL)):
        listed = set(options_of(program))
        assert len(listed) >= 6
        assert options_in(manual) == listed


def test_every_option_is_in_the_synopsis(stage):
    said = chapter(TINE, "SYNOPSIS")
    letters = set(re.search(r"^\.Op Fl (\w+)$", said, re.M)[1])
    letters |= set(re.findall(r"^\.Op Fl (\w) Ar", said, re.M))
    short = {name[1] for name in options_of(stage.tine) if len(name) == 2}
    assert letters == short


def test_what_is_not_built_says_so_in_the_manual_too(stage):
    said = subprocess.run([stage.tine, "--help"], check=True, text=True,
                          capture_output=True).stdout
    missing = {re.match(r" +(-\w|--[a-z-]+)", line)[1][1:]
               for line in said.splitlines() if "not built yet" in line}
    items = re.split(r"^\.It ", chapter(TINE, "DESCRIPTION"), flags=re.M)[1:]
    assert {re.match(r"Fl (\S+)", item)[1] for item in items
            if "Not built yet" in item} == missing


def test_every_command_of_tinectl_is_in_its_manual_and_no_other(stage):
    said = subprocess.run([stage.tinectl, "--help"], check=True, text=True,
                          capture_output=True).stdout
    listed = set(re.findall(r"^  ([a-z][a-z-]*) ", said, re.M))
    assert {"status", "drain", "metrics"} <= listed
    assert set(re.findall(r"^\.It Cm ([a-z-]+)", TINECTL.read_text(),
                          re.M)) == listed


def test_every_signal_and_every_exit_code_is_in_the_manual():
    signals = set(re.findall(r"SIG([A-Z0-9]+)", "".join(
        line for line in chapter(TINE, "SIGNALS").splitlines(True)
        if line.startswith(".It"))))
    assert signals == SIGNALS
    codes = {int(n) for n in re.findall(r"^\.It (\d+)$",
                                        chapter(TINE, "EXIT STATUS"), re.M)}
    assert codes == EXIT_CODES
    codes = {int(n) for n in re.findall(r"^\.It (\d+)$",
                                        chapter(TINECTL, "EXIT STATUS"), re.M)}
    assert codes == {0, 1, 2, 64}


def test_the_pairs_of_accept_mode_and_balance_are_those_of_the_manual(stage):
    rows = dict(re.findall(r"^\.It (\w+) Ta ([a-z, -]+)$",
                           chapter(TINE, "ACCEPTING CONNECTIONS"), re.M))
    assert set(rows) == {"reuseport", "shared", "dispatch"}
    for mode, balances in rows.items():
        for how in ("kernel", "source-hash", "random", "round-robin",
                    "least-connections"):
            code = 0 if how in balances.split(", ") else 78
            done = subprocess.run(
                [stage.tine, "-t", "-n", "2", "-l", ":0", "-a", mode, "-b",
                 how, "echo"], capture_output=True, text=True, check=False)
            assert done.returncode == code, (mode, how, done.stderr)


@pytest.mark.parametrize("manual", [TINE, TINECTL, HANDLER], ids=lambda p: p.name)
def test_a_manual_prints_without_a_complaint(manual):
    done = subprocess.run(["mandoc", "-T", "ascii", "-W", "warning", manual],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(len(re.sub(".\b", "", line))
               for line in done.stdout.splitlines()) <= 80


# ---- tine_handler.3 and tine.h ----

# What the header needs for itself.
INTERNAL = {"TINE_H", "TINE_EXPORT", "TINE_PRINTF", "TINE_DEFINE",
            "TINE_HANDLER_SYMBOL"}


def header():
    """tine.h without its comments and the preprocessor's lines."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    return re.sub(r"^#.*?(?<!\\)$", "", text, flags=re.M | re.S)


def plain(text):
    """A declaration with its blanks where one writes them."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r" ?([(*)]) ?", r"\1", text)


def prototypes(manual):
    """{name: declaration} of the items that are a function."""
    found = {}
    for item in re.findall(r"^\.It Xo\n(.*?)^\.Xc$", manual, re.M | re.S):
        text = re.sub(r"\n\.F[ac] ?", " ", item.replace(".Fo", ".Fn"))
        kind, name, *args = shlex.split(
            re.sub(r"^\.F[tn] ", "", text, flags=re.M))
        assert name not in found
        found[name] = plain(f"{kind} {name}({', '.join(args)})")
    return found


def test_every_call_of_the_header_is_in_its_manual_as_declared_and_no_other():
    declared = {}
    for text in re.findall(r"TINE_EXPORT ([^;{}]*?);", header()):
        name = re.search(r"(tine_\w+)\(", text)
        if name:
            text = re.sub(r"TINE_PRINTF\(.*\)$", "", plain(text))
            declared[name[1]] = plain(text)
    assert len(declared) > 90
    in_manual = {name: text for name, text
                 in prototypes(HANDLER.read_text()).items()
                 if name.startswith("tine_")}
    assert in_manual == declared


def test_every_callback_is_in_the_manual_as_declared_and_no_other():
    fields = re.search(r"struct tine_handler \{(.*?)\n\};", header(),
                       re.S)[1].split(";")
    declared = {}
    for field in fields:
        callback = re.search(r"\(\s*\*(\w+)\)", field)
        if callback:
            declared[callback[1]] = plain(
                field.replace(callback[0], f" {callback[1]}"))
    assert len(declared) > 12
    in_manual = {name: text for name, text
                 in prototypes(HANDLER.read_text()).items()
                 if not name.startswith("tine_")}
    assert in_manual == declared


def test_every_constant_macro_and_field_of_the_header_is_in_the_manual():
    manual = HANDLER.read_text()
    text = HEADER.read_text()
    names = re.compile(r"\bTINE_[A-Z_0-9]*[A-Z0-9]\b")
    assert set(names.findall(manual)) - {"TINE_HANDLER"} == (
        set(names.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.S)))
        - INTERNAL - {"TINE_HANDLER"})
    for name in ("handler", "option", "codec", "frame", "slice"):
        body = re.search(rf"struct tine_{name} \{{(.*?)\n\}};", header(),
                         re.S)[1]
        for field in body.split(";"):
            for last in re.findall(r"(\w+)(?=,|$)", field.strip()):
                if "(" not in field:
                    assert re.search(rf"^\.(It )?F[an] .*\b{last}\b", manual,
                                     re.M), last


def test_the_manual_names_nothing_that_the_header_does_not_have():
    known = set(re.findall(r"\btine_\w+", HEADER.read_text()))
    named = set(re.findall(r"\btine_\w+", HANDLER.read_text()))
    assert named <= known


def examples():
    """The programs of the manual, by the name of their handler."""
    found = {}
    for text in re.findall(r"^\.Bd -literal\n(#include.*?)^\.Ed$",
                           HANDLER.read_text(), re.M | re.S):
        text = text.replace(r"\e", "\\")
        found[re.findall(r'TINE_HANDLER\(\.name = "(\w+)"', text)[0]] = text
    return found


@pytest.mark.parametrize("name", examples())
def test_an_example_of_the_manual_compiles_and_is_a_handler(name, stage,
                                                            folder):
    source = pathlib.Path(folder) / f"{name}.c"
    source.write_text(examples()[name])
    for compiler in ("gcc", "clang"):
        subprocess.run([compiler, "-std=gnu11", "-pedantic", "-Wall",
                        "-Wextra", "-Werror", "-O2", "-shared", "-fPIC",
                        f"-I{HEADER.parent}", "-o", f"{folder}/{name}.so",
                        source], check=True)
    url = "udp://127.0.0.1:0" if "_datagram(" in examples()[name] else ":0"
    done = subprocess.run([stage.tine, "-t", "-l", url, f"{folder}/{name}.so"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def serve(name, tine, folder, *args, listen="tcp://127.0.0.1:0"):
    """A server with an example of the manual."""
    (pathlib.Path(folder) / f"{name}.c").write_text(examples()[name])
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", f"-I{HEADER.parent}",
                    "-o", f"{folder}/{name}.so", f"{folder}/{name}.c"],
                   check=True)
    return tine("-l", listen, "-n", "1", f"{folder}/{name}.so", *args)


def test_lines_are_numbered_for_each_connection(tine, folder):
    t = serve("nl", tine, folder, "step=5")
    for _ in range(2):
        with t.connect() as s:
            s.sendall(b"one\r\ntwo\n")
            assert net.recv_line(s) == "5 one"
            assert net.recv_line(s) == "10 two"


def test_netstrings_come_back_and_nothing_else_does(tine, folder):
    t = serve("netstrings", tine, folder)
    with t.connect() as s:
        for piece in (b"0:,5:he", b"l", b"lo,3", b":a,b,9", b"0:"):
            s.sendall(piece)
        s.sendall(b"x" * 90 + b",")
        wanted = b"0:,5:hello,3:a,b,90:" + b"x" * 90 + b","
        assert net.recv_exact(s, len(wanted)) == wanted
    for wrong in (b"5hello,", b":,", b"1:ab", b"99999:", b"1111111111"):
        with t.connect() as s:
            s.sendall(wrong)
            assert net.recv_all(s) == b""


def test_the_proxy_carries_both_ways(tine, folder):
    far = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "upper")
    port = far.listeners[0][0].rpartition(":")[2]
    t = serve("proxy", tine, folder, f"to=tcp://127.0.0.1:{port}")
    with t.connect() as s:
        s.sendall(b"hello " * 100000)
        assert net.recv_exact(s, 600000) == b"HELLO " * 100000
        s.shutdown(socket.SHUT_WR)
        assert net.recv_all(s) == b""


def test_the_proxy_says_when_nobody_is_there(tine, folder):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        t = serve("proxy", tine, folder, f"to=tcp://127.0.0.1:{port}")
        with t.connect() as s:
            assert net.recv_all(s) == b""
        assert t.wait_log("upstream: Connection refused")


def test_slow_work_is_done_side_by_side(tine, folder):
    t = serve("slow", tine, folder)
    begin = time.monotonic()
    with t.connect() as s:
        s.sendall(b"one\ntwo\nthree\n")
        got = {net.recv_line(s) for _ in range(3)}
    assert got == {"one", "two", "three"}
    assert time.monotonic() - begin < 10


def test_who_halves_the_rest_guesses_the_number(tine, folder):
    t = serve("guess", tine, folder)
    with t.connect() as s:
        low, high = 0, 99
        assert net.recv_line(s) == "from 0 to 99?"
        for _ in range(7):
            guess = (low + high) // 2
            s.sendall(f"{guess}\n".encode())
            said = net.recv_line(s)
            if said == "more":
                low = guess + 1
            elif said == "less":
                high = guess - 1
            else:
                break
        assert said == "yes"
        assert net.recv_all(s) == b""


def test_packets_come_back_and_the_log_says_how_many_there_were(tine, folder):
    t = serve("count", tine, folder, listen="udp://127.0.0.1:0")
    t.wait_log("packets: 0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.connect(t.address())
        for packet in (b"", b"one", b"two"):
            s.send(packet)
            assert s.recv(100) == packet
