# SPDX-License-Identifier: BSD-2-Clause
"""What lines look like to who reads them: JSON, the journal, syslog."""

import json
import os
import re
import subprocess

import pytest

import logs
import procs

# A /dev with no more than a server needs, and a syslog of the test's own.
PRIVATE_DEV = """
set -e
mount --make-rprivate /
mkdir "$1/dev"
mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
for name in null urandom; do
    touch "$1/dev/$name"
    mount --bind "/dev/$name" "$1/dev/$name"
done
ln -s "$1/syslog" "$1/dev/log"
mount --move "$1/dev" /dev
shift
exec "$@"
"""


def test_json_lines_are_objects_with_the_keys_of_the_manual(tine, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", path, "-o",
             "log.format=json", "--log-level", "debug", "echo")
    t.connect().close()
    pids = {t.pid, *t.children().values()}
    assert t.tinectl("kill", 0).returncode == 0
    pids |= set(t.children().values())
    t.stop()
    seen = [json.loads(line) for line in logs.read(path)]
    for line in seen:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                            line["time"])
        assert line["level"] in ("error", "warn", "info", "debug")
        assert line["pid"] in pids
        assert re.fullmatch(r"master|child \d+", line["who"])
        assert line["msg"]
    assert {line["pid"] for line in seen} == pids


def test_json_holds_whatever_a_client_says(tine, stage, folder):
    path = os.path.join(folder, "tine.log")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "-L", path, "-o",
             "log.format=json", stage.handler("shouter"))
    s = t.connect()
    s.sendall(b'"},\n{"level":"error"\xff\xc3\xbc\x00rest')
    assert s.recv(1) == b"."
    t.stop()
    said = [json.loads(line)["msg"] for line in logs.read(path)]
    (line,) = [m for m in said if "client says" in m]
    assert line.endswith(
        'client says: "},\\x0a{"level":"error"\\xff\\xc3\\xbc')


def test_the_journal_gets_a_priority_before_each_line(tine):
    reader, writer = os.pipe()
    st = os.fstat(writer)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "--log-level", "debug",
             "echo", stderr=writer, ready=False,
             env={"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
    os.close(writer)
    t.wait_serving(2)
    assert t.tinectl("kill", 0).returncode == 0
    t.stop()
    with open(reader, encoding="ascii") as f:
        lines = f.read().splitlines()
    for line in lines:
        assert re.match(r"<3>error |<4>warn |<6>info |<7>debug |<6>tine: ready",
                        line), line
    assert [x for x in lines if x.startswith("<4>warn master: child 0")]


def test_a_journal_stream_that_is_not_our_stderr_changes_nothing(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "--log-level", "debug",
             "echo", env={"JOURNAL_STREAM": "8:1234"})
    t.stop()
    assert t.log("^<") == []
    assert t.log("^tine: debug ")


def test_syslog_is_found_again_when_it_was_restarted(tine, folder):
    if os.getuid() != 0:
        pytest.skip("only root can have a /dev/log of its own")
    daemon = logs.Syslog(os.path.join(folder, "syslog"))
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", "syslog", "echo",
             folder=folder,
             under=["unshare", "--mount", "sh", "-c", PRIVATE_DEV, "sh",
                    folder])
    line = procs.eventually(lambda: daemon.lines[:1], 5)[0]
    assert re.match(rf"<30>tine\[{t.pid}\]: info master: ready: 2 ", line)
    daemon.stop()
    assert t.tinectl("kill", 0).returncode == 0
    first = len(daemon.lines)
    daemon.start()
    assert t.tinectl("kill", 1).returncode == 0
    procs.eventually(lambda: [x for x in daemon.lines[first:]
                              if "child 1 (pid" in x], 5)
    assert logs.lost(daemon.lines[first:]) > 0
    assert t.tinectl("reopen").returncode == 0
    t.stop()
    procs.eventually(lambda: "master: stopped" in daemon.lines[-1], 5)
    daemon.stop()


def test_no_syslog_is_said_at_the_start(stage, folder):
    if os.getuid() != 0:
        pytest.skip("only root can take /dev/log away")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", PRIVATE_DEV, "sh", folder,
         stage.tine, "-L", "syslog", "-C", "none", "-l", "tcp://127.0.0.1:0",
         "echo"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 73
    assert "syslog at /dev/log" in done.stderr
    assert "tine: hint: start a syslog daemon" in done.stderr
