# SPDX-License-Identifier: BSD-2-Clause
"""What a handler is told about the addresses of its server."""

import socket

import net

FAST = ("-o", "timing.prove=0", "-o", "timing.commit=0")


def ask(t, i=0):
    """Place, mode, which listener, and the addresses."""
    if t.listeners[i][0].startswith("udp"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            s.sendto(b"?", t.address(i))
            line = s.recv(9000).decode()
    else:
        with t.connect(i) as s:
            line = net.recv_line(s)
            line = line.decode() if isinstance(line, bytes) else line
    place, mode, listener, *urls = line.split()
    return int(place), mode, int(listener), urls


def test_every_child_knows_the_real_ports_before_it_serves(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "udp://127.0.0.1:0", "-l",
             "tcp://127.0.0.1:0?backlog=9", "-l", "unix://w.sock", "-n", 3,
             *FAST, stage.handler("where"))
    urls = [url for url, _ in t.listeners]
    seen = set()
    for _ in range(60):
        for i in range(4):
            place, mode, listener, said = ask(t, i)
            assert (mode, listener, said) == ("reuseport", i, urls)
            seen.add((place, i))
    assert {place for place, i in seen if i == 0} == {0, 1, 2}
    assert {place for place, i in seen if i == 1} == {0, 1, 2}
    old = set(t.children().values())
    assert t.tinectl("reload").returncode == 0
    t.wait_children(3, without=old)
    assert ask(t)[1:] == ("reuseport", 0, urls)


def test_one_child_shares_with_nobody_until_there_are_more(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", 1, *FAST, stage.handler("where"))
    assert ask(t)[:2] == (0, "shared")
    assert t.tinectl("scale", 2).returncode == 0
    modes = {ask(t)[:2] for _ in range(60)}
    assert (1, "reuseport") in modes
    # The first was born when it was alone.
    assert modes <= {(0, "shared"), (1, "reuseport")}
    old = set(t.children().values())
    assert t.tinectl("reload").returncode == 0
    t.wait_children(2, without=old)
    assert ask(t)[1] == "reuseport"


def test_dispatched_connections_know_their_listener(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://w.sock", "-a",
             "dispatch", "-n", 2, stage.handler("where"))
    urls = [url for url, _ in t.listeners]
    for i in (0, 1):
        assert ask(t, i)[1:] == ("dispatch", i, urls)


def test_the_single_process_knows_them_too(tine, stage):
    t = tine("-X", "-l", "tcp://127.0.0.1:0", stage.handler("where"),
             control=None)
    assert ask(t) == (0, "shared", 0, [t.listeners[0][0]])


def test_each_server_knows_its_own(tine, stage, folder):
    path = f"{folder}/tine.yaml"
    handler = stage.handler("where")
    with open(path, "w", encoding="ascii") as f:
        f.write("processes: 2\nservers:\n"
                "  - { listen: [ \"127.0.0.1:0\" ], handler: echo }\n"
                f"  - {{ listen: [ \"127.0.0.1:0\", \"127.0.0.2:0\" ], "
                f"handler: {handler} }}\n")
    t = tine("-c", path, folder=folder)
    urls = [url for url, _ in t.listeners]
    for i in (1, 2):
        assert ask(t, i)[1:] == ("reuseport", i - 1, urls[1:])
