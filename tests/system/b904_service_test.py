# SPDX-License-Identifier: BSD-2-Clause
"""conf/tine.service and conf/logrotate: hardened, and the server still works.

No service manager runs here: what the unit forbids is looked up in the unit
and held against what the server does."""

import json
import os
import pathlib
import re
import subprocess

import pytest

import net
import procs

TOP = pathlib.Path(__file__).resolve().parents[2]
UNIT = TOP / "conf/tine.service"
SOCKET = TOP / "conf/tine.socket"
# The unit's user: not root.
AS_USER = {"user": "nobody", "group": "nogroup", "extra_groups": []} \
    if os.getuid() == 0 else {}


def settings(path=UNIT):
    """{key: [value, ...]} of the unit."""
    found = {}
    for line in path.read_text().splitlines():
        if re.match(r"[A-Z]\w+=", line):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def call_groups():
    """{group: [system call or group, ...]}, as systemd knows them."""
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"],
                          capture_output=True, text=True, check=True).stdout
    groups = {}
    for line in said.splitlines():
        word = line.split("#")[0].strip()
        if line.startswith("@"):
            members = groups.setdefault(word, [])
        elif line.startswith("    ") and word:
            members.append(word)
    return groups


def expand(names, groups):
    calls = set()
    for name in names:
        calls |= expand(groups[name], groups) if name[0] == "@" else {name}
    return calls


def allowed_calls():
    groups = call_groups()
    allowed = expand(["@default"], groups)
    for value in settings()["SystemCallFilter"]:
        names = expand(value.lstrip("~").split(), groups)
        allowed = allowed - names if value[0] == "~" else allowed | names
    return allowed


def test_the_exposure_is_at_most_2():
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20",
         "--no-pager", UNIT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_knows_every_setting(tmp_path, stage):
    for path in (UNIT, SOCKET):
        text = path.read_text()
        for name in ("tinectl", "tine"):
            text = text.replace(f"/usr/local/bin/{name} ",
                                f"{getattr(stage, name)} ")
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / SOCKET.name,
         tmp_path / UNIT.name], capture_output=True, text=True, check=False)
    mine = [line for line in done.stderr.splitlines()
            if UNIT.name in line or SOCKET.name in line]
    assert mine == []


def test_what_does_not_mend_itself_is_not_started_again():
    unit = settings()
    assert unit["RestartPreventExitStatus"] == ["64 77 78"]


def test_systemd_hears_of_readiness_and_keeps_the_sockets():
    unit = settings()
    assert (unit["Type"], unit["NotifyAccess"]) == (["notify"], ["main"])
    assert int(unit["FileDescriptorStoreMax"][0]) >= 512
    # A child that hangs is found and replaced before the watchdog bites.
    assert int(unit["WatchdogSec"][0]) > 12
    (reload,) = unit["ExecReload"]
    assert reload.endswith(" reload")
    (start,) = unit["ExecStart"]
    assert re.search(r"--control (\S+)", start)[1] == \
        re.search(r"--control (\S+)", reload)[1]


def test_systemd_accepts_no_connection_in_our_stead():
    assert settings(SOCKET)["Accept"] == ["no"]


def ctl(t, *args):
    """tinectl as the user of the server, who is not root."""
    return subprocess.run(
        [t.stage.tinectl, "-C", t.control, *args], check=False, text=True,
        capture_output=True, timeout=40, **AS_USER)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives capabilities")
def test_the_unit_s_user_serves_on_a_low_port(tine, folder):
    names = settings()["AmbientCapabilities"][0].split()
    assert settings()["CapabilityBoundingSet"] == [" ".join(names)]
    caps = ",".join("+" + n.removeprefix("CAP_").lower() for n in names)
    os.chown(folder, 65534, 65534)
    port = next(p for p in range(700, 1000)
                if net.is_refused(("127.0.0.1", p)))
    t = tine("-l", f"tcp://127.0.0.1:{port}", "-n", "2", "echo",
             folder=folder, under=(
                 "setpriv", "--reuid", "65534", "--regid", "65534",
                 "--clear-groups", "--bounding-set", f"-all,{caps}",
                 "--inh-caps", f"-all,{caps}", "--ambient-caps",
                 f"-all,{caps}", "--no-new-privs"))
    with t.connect() as s:
        s.sendall(b"low")
        assert net.recv_exact(s, 3) == b"low"
    assert ctl(t, "drain", "0").returncode == 0
    status = ctl(t, "status", "--json")
    children = json.loads(status.stdout)["children"]
    assert len(children) == 2
    for child in children:
        for caps in ("CapEff", "CapPrm", "CapAmb"):
            assert int(procs.status_field(child["pid"], caps), 16) == 0


# The default control socket is in /run, which is the whole machine's: these
# run in a mount namespace with an empty one.
GIVEN = """
mount -t tmpfs -o mode=755 none /run
install -d -o nobody /run/tine
setpriv --reuid nobody --regid nogroup --clear-groups -- \\
    "$1" -C /run/tine/control.sock -l tcp://127.0.0.1:0 -n 1 echo 2>/run/log &
trap "kill -KILL $!" EXIT
until grep -q 'tine: ready' /run/log; do
    kill -0 $!
    sleep 0.05
done
"$2" status
chown root /run/tine
"$2" status
"""


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system")
def test_root_speaks_to_the_user_to_whom_the_folder_in_run_was_given(stage):
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-ec", GIVEN, "bash", stage.tine,
         stage.tinectl], capture_output=True, text=True, timeout=60,
        check=False)
    assert done.stdout.count(": running, ") == 1
    assert done.returncode == 1
    assert "belongs to another user's process (uid 65534" in done.stderr


def test_the_server_calls_nothing_that_the_unit_forbids(tine, folder):
    trace = f"{folder}/trace"
    if AS_USER:
        os.chown(folder, 65534, 65534)
    t = tine("-l", "tcp://127.0.0.1:0", "-l", "unix://a.sock", "-n", "2",
             "-L", f"{folder}/log", "http", f"root={folder}",
             folder=folder, user=AS_USER.get("user"), under=("strace", "-D", "-f", "-qq", "-o", trace))
    with t.connect() as s:
        s.sendall(b"GET /log HTTP/1.1\r\nHost: a\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")
    for command in ("status", "metrics", "reopen", "drain 0", "kill 1",
                    "log-level debug", "stop"):
        assert ctl(t, *command.split()).returncode == 0, command
    t.wait()
    with open(trace, encoding="utf-8", errors="replace") as f:
        called = set(re.findall(r"^\d+ +(\w+)\(", f.read(), re.M))
    assert {"accept4", "execve", "capset", "bind"} <= called
    assert called - allowed_calls() == set()


def test_logrotate_takes_the_example_and_loses_no_line(tine, folder):
    log = f"{folder}/a.log"
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", log,
             "--log-level", "debug", "echo", folder=folder)
    text = (TOP / "conf/logrotate").read_text()
    text = text.replace("/var/log/tine", folder)
    text = text.replace("/usr/local/bin/tinectl",
                        f"{t.stage.tinectl} -C {t.control}")
    rules = pathlib.Path(folder) / "rules"
    rules.write_text(text)
    rules.chmod(0o644)
    done = subprocess.run(
        ["logrotate", "--force", "--state", f"{folder}/state", rules],
        capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.path.exists(f"{log}.1.gz")
    assert t.tinectl("drain", 0).returncode == 0
    # The drain is over with the child's last word, which its end follows.
    procs.eventually(
        lambda: "ended: exit code 0" in pathlib.Path(log).read_text(), 10,
        "the child's end is in the log")
