# SPDX-License-Identifier: BSD-2-Clause
"""What clients say cannot forge, flood or spoil the log."""

import os

import http1
import logs
import net
import procs

MEBIBYTE = 1 << 20
LINES_PER_SECOND = 100


def test_a_mebibyte_of_control_characters_stays_out_of_the_log(tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", path, "--log-level",
             "debug", "http", "text=hi")
    s = t.connect()
    try:
        s.sendall(b"GET /" + bytes(range(1, 32)) * (MEBIBYTE // 31))
        net.recv_all(s)
    except (ConnectionResetError, BrokenPipeError):
        pass
    s.close()
    assert http1.ask(t.connect(), http1.get("/")).status == 200
    t.stop()
    lines = logs.read(path)
    assert logs.torn(lines) == []
    assert os.path.getsize(path) < 20_000


def test_what_a_handler_logs_of_a_client_is_escaped(tine, stage, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", path,
             stage.handler("shouter"))
    s = t.connect()
    forged = b"\n2026-01-01T00:00:00.000Z error master: all is lost\x1b[2J\r\n"
    s.sendall(forged)
    assert s.recv(1) == b"."
    s.sendall(bytes(range(1, 32)) * (MEBIBYTE // 31))
    procs.eventually(lambda: t.status()["totals"]["bytes_in"] > MEBIBYTE - 40,
                     10)
    t.stop()
    lines = logs.read(path)
    assert logs.torn(lines) == []
    said = [x for x in lines if "client says: " in x]
    assert "\\x0a2026-01-01T00:00:00.000Z error master: all" in said[0]
    assert not [x for x in lines if x.endswith("all is lost")]
    assert max(map(len, lines)) < 4096


def test_clients_cannot_flood_the_log_through_a_handler(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", stage.handler("shouter"))
    s = t.connect()
    clock = procs.time.monotonic
    begin = clock()
    asked = 0
    while clock() - begin < 1.5:
        s.sendall(b"x")
        assert s.recv(1) == b"."
        asked += 1
    seconds = int(clock() - begin) + 2
    said = len(t.log("client says: x"))
    assert asked > 5 * LINES_PER_SECOND
    assert said <= seconds * LINES_PER_SECOND
    t.wait_log(r"client says: x \(\d+ lines like it left out\)")
