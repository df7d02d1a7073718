# SPDX-License-Identifier: BSD-2-Clause
"""procs.py: what /proc says of the processes under test, and waits for events
that have a deadline. Reads only; ends nothing."""

import os
import re
import select
import time

TICKS = os.sysconf("SC_CLK_TCK")


def eventually(probe, timeout=10, what=None):
    """The first true value of probe(), asked until `timeout` seconds are up."""
    end = time.monotonic() + timeout
    pause = select.poll()
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            name = what or getattr(probe, "__name__", "condition")
            raise AssertionError(f"not within {timeout} s: {name}")
        pause.poll(10)


def _stat(pid):
    """The fields of /proc/PID/stat after the name, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(pid):
    """Neither gone nor a zombie."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in b"ZX"


def children_of(pid):
    """Pids of the living direct children, in order."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat(name)
        if fields and int(fields[1]) == pid and fields[0] not in b"ZX":
            found.append(int(name))
    return sorted(found)


def in_session(leader):
    """Pids of the living processes in the session that `leader` began."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat(name)
        if fields and int(fields[3]) == leader and fields[0] not in b"ZX":
            found.append(int(name))
    return found


def wait_gone(pids, timeout):
    """Wait for the end of these processes; returns those still alive."""
    poll = select.poll()
    left = {}
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        left[fd] = pid
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + timeout
    while left:
        rest = end - time.monotonic()
        ready = poll.poll(max(0, rest * 1000))
        for fd, _ in ready:
            poll.unregister(fd)
            os.close(fd)
            del left[fd]
        if not ready and rest <= 0:
            break
    for fd in left:
        os.close(fd)
    # A zombie whose new parent has not reaped it yet is gone for us.
    return [pid for pid in left.values() if is_alive(pid)]


def fd_kinds(pid):
    """What the descriptors of a process are, without the numbers of inodes. A
    child is not dumpable: only root sees its descriptors."""
    folder = f"/proc/{pid}/fd"
    kinds = []
    for fd in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{fd}")
        except FileNotFoundError:
            continue
        kinds.append(re.sub(r"\[\d+\]", "", target))
    return sorted(kinds)


def status_field(pid, name):
    """One line of /proc/PID/status, as text."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
    raise KeyError(name)


def rss_kib(pid):
    return int(status_field(pid, "VmRSS").split()[0])


def private_kib(pid):
    """Memory that only this process has: its heap and its stack."""
    return int(status_field(pid, "RssAnon").split()[0])


def dirty_kib(pid):
    """Private memory that was written to, counted page by page and not by the
    kernel's batched counters. A child is not dumpable: only root may ask."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1])
    raise KeyError("Private_Dirty")


def cpu_seconds(pid):
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def title(pid):
    """The command line as ps shows it."""
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read().replace(b"\0", b" ").decode().strip()
