# SPDX-License-Identifier: BSD-2-Clause
"""What every kind of process may do and holds, as a golden list: identity and
rights of /proc/PID/status, and the descriptors."""

import grp
import os
import pwd
import subprocess

import pytest

import procs

IS_ROOT = os.getuid() == 0
# Shared: with a slot for each place a child may keep a copy of one that it
# adopted for a moment.
LISTEN = ["-l", "tcp://127.0.0.1:0", "-l", "unix://echo.sock", "-n", "2",
          "-a", "shared"]
NOBODY = (pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid)
DAEMON = (pwd.getpwnam("daemon").pw_uid, grp.getgrnam("adm").gr_gid)

NONE = "0" * 16
# As in the process that started tine: these tests.
SAME = None


def rights(ids, groups=(), caps=NONE, bound=NONE, no_new_privs="1"):
    """The lines of /proc/PID/status that matter."""
    uid, gid = ids
    return {
        "Uid": "\t".join([str(uid)] * 4), "Gid": "\t".join([str(gid)] * 4),
        "Groups": groups if groups is SAME else " ".join(map(str, groups)),
        "CapInh": NONE, "CapPrm": caps, "CapEff": caps, "CapBnd": bound,
        "CapAmb": NONE, "NoNewPrivs": no_new_privs, "Seccomp": SAME}


# Who is started how, and what the master and all other processes become. A
# user cannot empty the bounding set, and needs not: it is of use to root's
# programs only, which no_new_privs locks out.
ACCOUNTS = {
    "root with -u": (None, ["-u", "daemon:adm"],
                     rights((0, 0), SAME, SAME, SAME, SAME), rights(DAEMON)),
    "root without": (None, [],
                     rights((0, 0), SAME, SAME, SAME, SAME), rights(NOBODY)),
    "root with -u root": (None, ["-u", "root"],
                          rights((0, 0), SAME, SAME, SAME, SAME),
                          rights((0, 0))),
    "a user": ("nobody", [],
               rights(NOBODY, (), NONE, SAME, SAME),
               rights(NOBODY, (), NONE, SAME)),
} if IS_ROOT else {
    "a user": (None, [],
               rights((os.getuid(), os.getgid()), SAME, NONE, SAME, SAME),
               rights((os.getuid(), os.getgid()), SAME, NONE, SAME)),
}

LOOP = ["anon_inode:[eventfd]", "anon_inode:[eventpoll]"]
BOARD = ["/memfd:tine-board (deleted)"]
NULL = ["/dev/null"]
SOCKET = ["socket:"]
# Two slots, two channels, two pages of the board, the control socket.
MASTER = LOOP + BOARD * 2 + ["anon_inode:[pidfd]"] * 2 + SOCKET * 5 + ["PIDFILE"]
# Two slots, the channel. It has its page mapped, and no descriptor of the
# board.
CHILD = LOOP + SOCKET * 3

GOLDEN = {
    "master": MASTER + NULL * 2 + ["pipe:", "LOG", "TINE"],
    "child": CHILD + NULL * 2 + ["pipe:", "LOG"],
    "background master": MASTER + NULL * 3 + ["LOG", "TINE"],
    "background child": CHILD + NULL * 3 + ["LOG"],
    # The one that writes the result runs no handler's code; the one that runs
    # it cannot write the result.
    "checker": NULL * 2 + ["pipe:"] * 2 + ["/memfd:tine-check (deleted)"],
    "probe": NULL * 2 + ["pipe:"] * 2,
    # The memory for what it read, and the socket that files come over.
    "reader": NULL * 2 + ["pipe:", "/memfd:tine-reader (deleted)"] + SOCKET,
    "single": LOOP + SOCKET * 2 + NULL * 2 + ["pipe:", "LOG"],
}


def expect(probe, want):
    """A child that was born just now takes a moment to be what it is to be."""
    try:
        procs.eventually(lambda: probe() == want, 10)
    except AssertionError:
        assert probe() == want


def expect_rights(pid, golden):
    want = {k: procs.status_field(os.getpid(), k) if v is SAME else v
            for k, v in golden.items()}
    expect(lambda: {k: procs.status_field(pid, k) for k in golden}, want)


def expect_descriptors(pid, kind, **names):
    """names: files of this test, by what the golden list calls them."""
    if not IS_ROOT and "master" not in kind:
        return  # not dumpable: only root sees them
    names = {path: name for name, path in names.items()}
    # The binary that runs: an upgrade may have to come back to it.
    names[os.readlink(f"/proc/{pid}/exe")] = "TINE"
    want = sorted(GOLDEN[kind])
    expect(lambda: sorted(names.get(k, k) for k in procs.fd_kinds(pid)), want)


@pytest.fixture(params=ACCOUNTS)
def account(request):
    return ACCOUNTS[request.param]


@pytest.fixture
def own_folder(stage, account):
    """A folder in which the account can make its files."""
    path = stage.folder()
    if account[0]:
        ids = pwd.getpwnam(account[0])
        os.chown(path, ids.pw_uid, ids.pw_gid)
    return path


def two_children(pid, without=None):
    def full():
        now = procs.children_of(pid)
        return now if len(now) == 2 and without not in now else None

    return procs.eventually(full, 10, "two children")


def test_master_and_children_in_the_foreground(tine, account, own_folder):
    user, args, master, child = account
    log = f"{own_folder}/tine.log"
    t = tine(*LISTEN, *args, "-p", "tine.pid", "-L", log, "echo", user=user,
             folder=own_folder)
    first = two_children(t.pid)
    for pid in first:
        expect_rights(pid, child)
        expect_descriptors(pid, "child", LOG=log)
    os.kill(first[0], 9)
    for pid in two_children(t.pid, without=first[0]):
        expect_rights(pid, child)
        expect_descriptors(pid, "child", LOG=log)
    expect_rights(t.pid, master)
    expect_descriptors(t.pid, "master", LOG=log,
                       PIDFILE=f"{own_folder}/tine.pid")


def test_master_and_children_in_the_background(background, account,
                                               own_folder):
    user, args, master, child = account
    t = background(*LISTEN, *args, "echo", user=user, folder=own_folder)
    assert t.done.returncode == 0, t.done.stderr
    files = {"LOG": t.path("tine.log"), "PIDFILE": t.path("tine.pid")}
    for pid in procs.children_of(t.pid):
        expect_rights(pid, child)
        expect_descriptors(pid, "background child", **files)
    expect_rights(t.pid, master)
    expect_descriptors(t.pid, "background master", **files)


def test_the_checker_and_its_probe(tine, stage, account, own_folder):
    user, args, _, child = account
    t = tine(*LISTEN, *args, stage.handler("slow_constructor"), user=user,
             folder=own_folder, ready=False, code=-15)
    pid, = procs.eventually(lambda: procs.children_of(t.pid), 10, "a checker")
    # It has dropped everything before it loads a handler.
    procs.eventually(lambda: procs.status_field(pid, "NoNewPrivs") == "1", 10,
                     "no_new_privs")
    probe, = procs.eventually(lambda: procs.children_of(pid), 10, "a probe")
    for process, kind in (pid, "checker"), (probe, "probe"):
        expect_rights(process, child)
        expect_descriptors(process, kind)
    t.signal(15)
    assert not procs.wait_gone([pid, probe], 10)


def only_child_of(pid, what):
    child, = procs.eventually(lambda: procs.children_of(pid), 10, what)
    return child


def test_the_reader_of_files(stage, account, own_folder):
    """strace holds it while it waits for its file."""
    user, args, _, child = account
    with open(f"{own_folder}/a.yaml", "w", encoding="ascii") as f:
        f.write("servers: [ { listen: '127.0.0.1:0', handler: echo } ]\n")
    if user:
        os.chown(f"{own_folder}/a.yaml", pwd.getpwnam(user).pw_uid, -1)
    strace = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=recvmsg",
         "-e", "inject=recvmsg:delay_enter=3000000", stage.tine, "-C", "none",
         *args, "-t", "-c", "a.yaml"], cwd=own_folder, user=user,
        group="nogroup" if user else None, extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    # strace tries out on a process of its own what the kernel can do.
    tine = procs.eventually(
        lambda: next((p for p in procs.children_of(strace.pid)
                      if procs.children_of(p)), None), 10, "tine")
    reader = only_child_of(only_child_of(tine, "a checker"), "a reader")
    # As root it is nobody, whoever the children will be: that stands in the
    # files.
    expect_rights(reader, rights(NOBODY) if IS_ROOT and not user else child)
    expect_descriptors(reader, "reader")
    _, errors = strace.communicate(timeout=30)
    assert strace.returncode == 0, errors


def test_the_single_process(tine, account, own_folder):
    user, args, _, child = account
    log = f"{own_folder}/tine.log"
    t = tine("-X", *LISTEN[:4], "-L", log, *args, "echo", user=user,
             folder=own_folder)
    expect_rights(t.pid, child)
    expect_descriptors(t.pid, "single", LOG=log)


# ---- who may be asked for ----

@pytest.mark.skipif(not IS_ROOT, reason="only root changes the user")
def test_to_run_children_as_root_is_warned_of(tine, run_tine):
    t = tine(*LISTEN, "-u", "root", "echo")
    assert t.log("^tine: warn master: children run as root")
    t = tine(*LISTEN, "-u", "daemon:root", "echo")
    assert t.log("^tine: warn master: children run in root's group")
    for pid in t.children().values():
        assert procs.status_field(pid, "Gid").split() == ["0"] * 4
    # A reload runs them as root again.
    assert t.tinectl("reload").returncode == 0
    assert len(t.log("warn master: children run in root's group")) == 2
    done = run_tine(*LISTEN, "-t", "-u", "daemon", "echo")
    assert (done.returncode, "warn" in done.stderr) == (0, False)


def as_nobody():
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} \
        if IS_ROOT else {}


def my_names():
    uid = NOBODY[0] if IS_ROOT else os.getuid()
    gid = NOBODY[1] if IS_ROOT else os.getgid()
    return pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_name


def test_a_user_may_ask_for_what_it_is(run_tine):
    user, group = my_names()
    for said in (user, f"{user}:{group}"):
        done = run_tine(*LISTEN, "-t", "-u", said, "echo", **as_nobody())
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("said", ["root", "daemon", "SELF:daemon"])
def test_a_user_cannot_ask_for_another_one(run_tine, said):
    done = run_tine(*LISTEN, "-t", "-u", said.replace("SELF", my_names()[0]),
                    "echo", **as_nobody())
    assert done.returncode == 77
    assert "only root" in done.stderr and said.split(":")[-1] in done.stderr


@pytest.mark.parametrize("said,why", [
    ("nosuchuser", "nosuchuser"), ("daemon:nosuchgroup", "nosuchgroup")])
def test_an_account_that_is_not_there_is_78(run_tine, said, why):
    done = run_tine(*LISTEN, "-t", "-u", said, "echo")
    assert done.returncode == 78
    assert f'"{why}"' in done.stderr
