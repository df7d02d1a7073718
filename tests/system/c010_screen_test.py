# SPDX-License-Identifier: BSD-2-Clause
"""tinectl status on a terminal: its width, colour or not."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

COLOUR = re.compile(r"\x1b\[\d*m")


def on_terminal(t, *args, columns=80, **env):
    """What tinectl prints on a terminal of that many columns, as lines."""
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))
        clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        done = subprocess.run(
            [t.stage.tinectl, "-C", t.control, *args], stdout=slave,
            stderr=subprocess.PIPE, timeout=20, check=True,
            env={**clean, "TERM": "xterm", **env})
        assert done.stderr == b""
        os.close(slave)
        slave = -1
        text = b""
        while True:
            try:
                text += os.read(master, 65536)
            except OSError:  # the terminal has no program any more
                return text.decode().splitlines()
    finally:
        os.close(master)
        if slave != -1:
            os.close(slave)


def children_table(lines):
    """The titles, and all lines of the table with the children."""
    at = next(i for i, line in enumerate(lines) if line.startswith("PLACE"))
    return lines[at].split(), lines[at:]


ALL = ["PLACE", "PID", "GEN", "STATE", "UP", "CONNS", "ACCEPTED", "REQS", "IN",
       "OUT", "LAG", "BUSY", "RSS", "RESTARTS"]


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_no_line_of_the_tables_is_wider_than_the_screen(tine, columns):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "echo")
    titles, table = children_table(on_terminal(t, "status", columns=columns))
    assert [x for x in ALL if x in titles] == titles
    assert {"PLACE", "PID", "STATE", "CONNS", "BUSY"} <= set(titles)
    assert max(len(COLOUR.sub("", line)) for line in table) <= columns


def test_what_matters_most_is_there_on_80_columns_with_large_numbers(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    data = b"x" * (1 << 20)
    with t.connect() as s:
        s.sendall(data)
        left = len(data)
        while left > 0:
            left -= len(s.recv(1 << 16))
        titles, table = children_table(on_terminal(t, "status"))
    assert {"REQS", "LAG", "BUSY", "RSS", "OUT"} <= set(titles)
    assert max(len(COLOUR.sub("", line)) for line in table) <= 80


def test_a_wide_screen_and_a_file_have_every_column(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    assert children_table(on_terminal(t, "status", columns=200))[0] == ALL
    printed = t.tinectl("status").stdout
    assert children_table(printed.splitlines())[0] == ALL


def test_colour_is_for_a_terminal_that_wants_it(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    coloured = on_terminal(t, "status")
    assert [line for line in coloured if "\x1b[32mready\x1b[0m" in line]
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert not COLOUR.search("\n".join(on_terminal(t, "status", **env)))
    # As no-color.org has it: empty is as if it were not set.
    assert COLOUR.search("\n".join(on_terminal(t, "status", NO_COLOR="")))
    assert not COLOUR.search(t.tinectl("status").stdout)
