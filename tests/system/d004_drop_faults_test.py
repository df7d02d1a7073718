# SPDX-License-Identifier: BSD-2-Clause
"""Every call by which a child gives up its rights fails once, or does nothing
and says that it worked. No such child ever serves, and the master says why."""

import os
import signal
import subprocess

import pytest

import procs

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root drops")

LISTEN = ["-l", "tcp://127.0.0.1:0", "-n", "1"]

# The leak checker of the sanitizer build does not work under strace.
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}

# The fault, and what is said of it.
FAILS = [
    ("setgroups:error=EPERM", "setgroups"),
    ("setresgid:error=EPERM", "setresgid"),
    ("setresuid:error=EAGAIN", "setresuid"),
    ("capset:error=EPERM", "capabilities"),
    ("prctl:error=EINVAL", "ambient capabilities"),
    ("getresuid:error=EFAULT", "read the ids back"),
    ("getresgid:error=EFAULT", "read the ids back"),
    ("capget:error=EFAULT", "read the capabilities back"),
    # Done in name only.
    ("setgroups:retval=0", "did not take place"),
    ("setresgid:retval=0", "did not take place"),
    ("setresuid:retval=0", "did not take place"),
    ("capset:retval=0", "capabilities are left"),
    ("prctl:retval=0", "no_new_privs did not take place"),
]
IDS = [fault for fault, _ in FAILS]


def account(fault):
    """Who changes to another user has no capabilities by that alone."""
    return ["-u", "root"] if fault == "capset:retval=0" else []


@pytest.mark.parametrize("fault,why", FAILS, ids=IDS)
def test_the_check_at_the_start_refuses(stage, folder, fault, why):
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={fault}",
         stage.tine, "-C", "none", *LISTEN, *account(fault), "echo"],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        extra_groups=[1], timeout=60, check=False,
        env=dict(os.environ, **NO_LEAKS))
    assert done.returncode in (71, 77), done.stderr
    assert why in done.stderr
    assert "ready" not in done.stderr


class Strace:
    """strace on the processes that a running master will fork."""

    def __init__(self, pid, fault):
        self.process = subprocess.Popen(
            ["strace", "-f", "-o", "/dev/null", "-e", f"inject={fault}", "-p",
             str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True)
        assert "attached" in self.process.stderr.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It lets go of them; they run on."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)


# The master of these tests may have no groups that could be kept.
@pytest.mark.parametrize(
    "fault,why", [x for x in FAILS if x[0] != "setgroups:retval=0"])
def test_a_later_child_ends_and_the_next_one_serves(tine, fault, why):
    t = tine(*LISTEN, *account(fault), "-o", "log.level=debug", "echo",
             env=NO_LEAKS)
    old, = t.children().values()
    first = t.log_length()
    with Strace(t.pid, fault):
        os.kill(old, signal.SIGKILL)
        t.wait_log(rf"ended: exit code 7[17], .* was starting: .*{why}", 20,
                   count=2)
        assert not t.log("> prepared", first)
        assert not t.children()
    new, = t.wait_children(1, without=[old], timeout=40).values()
    assert procs.status_field(new, "NoNewPrivs") == "1"
    with t.connect() as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
