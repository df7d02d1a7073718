# SPDX-License-Identifier: BSD-2-Clause
"""upgrade.py: a binary of the server's own, so that a test can put another one
in its place, and what an upgrade is to leave as it was."""

import os
import re
import shutil

import procs

# Nobody waits for a canary's proof or for the commit.
QUICK = ("-o", "timing.prove=0", "-o", "timing.commit=0")


def put(source, path, mode=0o755):
    """Replace the file as an installer does, by a rename. Returns its path."""
    shutil.copy(source, path + ".new")
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
    return path


def cut(path, length):
    """The same with the beginning of what is there."""
    with open(path, "rb") as old, open(path + ".new", "wb") as new:
        new.write(old.read(length))
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, 0o755)


def descriptors(pid):
    """What the master has open: by number, without numbers of inodes, and
    without what a tick may have opened for a moment."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if not target.startswith("/proc/"):
            found[int(fd)] = re.sub(r"\[\d+\]", "", target)
    return found


def same_descriptors(server, before):
    """Wait until the master has no other kinds of them than before; a binary
    that was replaced is still the same one."""
    def kinds(fds):
        return sorted(x.replace(" (deleted)", "") for x in fds.values())

    try:
        procs.eventually(lambda: kinds(descriptors(server.pid)) ==
                         kinds(before))
    except AssertionError:
        assert kinds(descriptors(server.pid)) == kinds(before)


def good(server):
    """tinectl upgrade, which succeeds; what it says."""
    done = server.tinectl("upgrade")
    assert done.returncode == 0, done.stderr + "\n".join(server.log())
    return done.stdout


def bad(server, *words):
    """tinectl upgrade, which fails and says these words."""
    done = server.tinectl("upgrade")
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    for word in words:
        assert re.search(word, done.stderr), done.stderr
    return done.stderr
