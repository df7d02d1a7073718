# SPDX-License-Identifier: BSD-2-Clause
"""tinectl top: on a terminal, which it gives back as it was, and as lines."""

import re
import signal
import subprocess

import pytest

from screen import ENTER, LEAVE, Screen

ARGS = ("-l", "tcp://127.0.0.1:0", "-n", "3", "http", "text=hi")


@pytest.fixture
def top():
    """top(server): tinectl top of it, on a terminal of its own."""
    opened = []

    def start(t, *options, **size):
        opened.append(Screen([t.stage.tinectl, "-C", t.control, *options,
                              "top"], **size))
        return opened[-1]

    yield start
    for screen in opened:
        screen.close()


def ask(t, requests):
    with t.connect() as s:
        for _ in range(requests):
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert s.recv(4096).endswith(b"hi")


def drawn(screen, first=0):
    """Wait until a whole table of children has been drawn since `first`."""
    return screen.wait(r"PLACE(?s:.*?)total", first)


def given_back(screen):
    """The last thing written leaves the screen; the modes are the old ones."""
    end = screen.wait(re.escape(LEAVE) + "$").end()
    assert screen.text.index(ENTER) < end
    return screen.modes() == screen.before


def test_it_shows_master_and_children_and_q_ends_it(tine, top):
    t = tine(*ARGS)
    screen = top(t)
    screen.wait(re.escape(ENTER))
    drawn(screen)
    assert screen.modes() != screen.before
    for pid in t.children().values():
        assert str(pid) in screen.text
    assert f"pid {t.pid}" in screen.text
    screen.press("xq")
    assert screen.process.wait(10) == 0
    assert given_back(screen)


def test_it_shows_how_much_a_second(tine, top):
    t = tine(*ARGS)
    screen = top(t)
    drawn(screen)
    seen = screen.length()
    ask(t, 200)
    screen.wait(r"\ntotal +\d+ +[1-9]\d* ", seen)


def test_ctrl_c_ends_it(tine, top):
    screen = top(tine(*ARGS))
    drawn(screen)
    screen.signal(signal.SIGINT)
    assert screen.process.wait(10) == 0
    assert given_back(screen)


@pytest.mark.parametrize("name", ["TERM", "HUP"])
def test_a_signal_that_ends_it_finds_the_terminal_given_back(tine, top, name):
    number = getattr(signal, "SIG" + name)
    screen = top(tine(*ARGS))
    drawn(screen)
    screen.signal(number)
    assert screen.process.wait(10) == -number
    assert given_back(screen)


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(tine, top):
    screen = top(tine(*ARGS))
    drawn(screen)
    for _ in range(2):
        screen.signal(signal.SIGTSTP)
        assert screen.wait_stopped() == signal.SIGTSTP
        assert given_back(screen)
        seen = screen.length()
        screen.signal(signal.SIGCONT)
        screen.wait(re.escape(ENTER), seen)
        drawn(screen, seen)
        assert screen.modes() != screen.before
    screen.press("q")
    assert screen.process.wait(10) == 0
    assert given_back(screen)


def test_a_resized_terminal_is_drawn_anew(tine, top):
    screen = top(tine(*ARGS), columns=110)
    drawn(screen)
    assert "GEN" in screen.wait(r"PLACE[^\r]*")[0]
    screen.resize(24, 60)
    seen = screen.length()
    screen.signal(signal.SIGWINCH)
    titles = screen.wait(r"PLACE[^\r]*", seen)[0]
    assert "GEN" not in titles and "REQ/S" in titles


def test_what_has_no_room_is_left_out(tine, top):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "8", "echo")
    screen = top(t, rows=6)
    first = screen.wait(r"\x1b\[H(tine (?s:.*?))\x1b\[H")[1]
    assert first.count("\r\n") == 5
    assert "total" not in first


def test_it_waits_for_a_server_that_is_away(tine, top, stage):
    folder = stage.folder()
    t = tine(*ARGS, folder=folder)
    screen = top(t)
    drawn(screen)
    seen = screen.length()
    assert t.tinectl("stop").returncode == 0
    screen.wait("waiting for the server: ", seen)
    seen = screen.length()
    again = tine(*ARGS, folder=folder)
    screen.wait(f"pid {again.pid}", seen)
    screen.press("q")
    assert screen.process.wait(10) == 0


def test_without_a_server_it_does_not_take_the_screen(stage, folder):
    screen = Screen([stage.tinectl, "-C", f"{folder}/none.sock", "top"])
    try:
        assert screen.process.wait(10) == 2
        screen.wait("no server answers")
        assert ENTER not in screen.text
    finally:
        screen.close()


def test_a_timeout_ends_it(tine, top):
    screen = top(tine(*ARGS), "--timeout", "1")
    assert screen.process.wait(10) == 0
    assert given_back(screen)


# ---- not on a terminal ----

def lines_of(t, **env):
    return subprocess.Popen(
        [t.stage.tinectl, "-C", t.control, "top"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, **env)


def block(p):
    """One picture: the lines up to the empty one behind the sums."""
    lines = []
    while not lines or lines[-1].split()[:1] != ["total"]:
        lines.append(p.stdout.readline().rstrip("\n"))
    assert p.stdout.readline() == "\n"
    return lines


def test_without_a_terminal_it_prints_a_block_each_second(tine):
    t = tine(*ARGS)
    with lines_of(t) as p:
        for _ in range(2):
            lines = block(p)
            assert lines[0].startswith("tine ")
            assert [x.split()[0] for x in lines[-4:-1]] == ["0", "1", "2"]
            assert "\x1b" not in "".join(lines)
        ask(t, 100)
        rates = [int(block(p)[-1].split()[2]) for _ in range(2)]
        assert sum(rates) > 0
        p.stdout.close()
        # Nobody reads any more.
        assert p.wait(10) != 0


def test_without_a_terminal_it_ends_with_the_server(tine):
    t = tine(*ARGS)
    with lines_of(t) as p:
        block(p)
        assert t.tinectl("stop").returncode == 0
        assert p.wait(10) == 2
        assert "no server answers" in p.stderr.read()
