# SPDX-License-Identifier: BSD-2-Clause
"""reload.py: a tine whose configuration file the test rewrites while it
serves, and what can be asked of a child through the handler whoami."""

import os
import subprocess

import net
import procs

QUICK = "timing: {prove: 0, commit: 0}\n"


class Site:
    """A configuration file and the server that reads it."""

    def __init__(self, tine, stage, folder, text, **options):
        self.stage = stage
        self.folder = folder
        self.path = os.path.join(folder, "tine.yaml")
        self.write(text)
        self.tine = tine("-c", self.path, folder=folder, **options)

    def write(self, text):
        """In one step: a reload reads the old text or the new."""
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path + ".new", 0o644)
        os.rename(self.path + ".new", self.path)

    def reload(self, text=None, code=0):
        if text is not None:
            self.write(text)
        return reload(self.tine, code)


def reload(t, code=0):
    """tinectl reload, waited for."""
    done = t.tinectl("reload")
    assert done.returncode == code, (done.returncode, done.stderr)
    return done


def start_ctl(t, *args):
    """A tinectl that waits; the test reaps it."""
    return subprocess.Popen(
        [t.stage.tinectl, "-C", t.control, *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ask_whoami(t, i=0, address=None):
    """pid, place, count, generation, reason of who serves a new client."""
    with t.connect(i, address=address) as s:
        pid, place, count, generation, reason = net.recv_line(s).split()
    return int(pid), int(place), int(count), int(generation), reason


def master(t):
    return t.status()["master"]


def generation(t):
    return master(t)["generation"]


def wait_state(t, state="running", timeout=20):
    procs.eventually(lambda: master(t)["state"] == state, timeout,
                     f"the master is {state}")


def echoes(sock, data=b"x"):
    """Does this connection still carry bytes?"""
    sock.sendall(data)
    return net.recv_exact(sock, len(data)) == data
