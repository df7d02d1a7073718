# SPDX-License-Identifier: BSD-2-Clause
"""Accept mode dispatch: who holds what, and what a process that was taken over
can do with it. The test takes the place of such a process by a copy of its
descriptors."""

import array
import ctypes
import os
import select
import signal
import socket

import pytest

import dispatch
import procs

PIDFD_GETFD = 438
SO_PASSRIGHTS = 83

pytestmark = pytest.mark.skipif(
    os.getuid() != 0, reason="only root sees the descriptors of a child")


def start(tine, stage, n=2, *args):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", n, "-a", "dispatch", *args,
             dispatch.whoami(stage))
    return t, dispatch.wait_acceptor(t)


def sockets(pid):
    """Its sockets of this family and type, as sockets of ours by number."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        found[int(name)] = socket.socket(fileno=fd)
    os.close(pidfd)
    return found


def ends(pid):
    """Its ends of hand-off pairs and of its channel, by their numbers: all that
    it has of this type."""
    return [s for _, s in sorted(sockets(pid).items())
            if s.type & ~socket.SOCK_NONBLOCK == socket.SOCK_SEQPACKET]


def writers_of(pid):
    """A copy of what an acceptor sends through. There it cannot receive, unlike
    through its channel."""
    poll = select.poll()
    found = {s.fileno(): s for s in ends(pid)}
    for fd in found:
        poll.register(fd, select.POLLRDHUP)
    return [found[fd] for fd, _ in poll.poll(0)]


def reader_of(t, place):
    """A copy of what the child of this place reads: the master opened it before
    the child's channel. It may be a sibling's, for which the child stood in."""
    return ends(t.children()[place])[0]


def send_fd(s, fds, payload=b"x"):
    s.sendmsg([payload], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                           array.array("i", fds))])


def test_who_holds_what(tine, stage):
    t, pid = start(tine, stage, 3)
    mine = procs.fd_kinds(pid)
    # The channel, what it listens on, and an end for each place.
    assert mine.count("socket:") == 1 + 1 + 3, mine
    for child in t.children().values():
        kinds = procs.fd_kinds(child)
        # The channel and an end; and what it stood in for at the start: the
        # acceptor, and siblings that were not READY yet.
        assert 2 <= kinds.count("socket:") <= 5, kinds
    # However many deaths, an acceptor holds what the first one held.
    for _ in range(5):
        os.kill(pid, signal.SIGKILL)
        pid = dispatch.wait_acceptor(t, without=pid)
    assert procs.fd_kinds(pid) == mine


def test_the_acceptor_loads_no_handler_and_maps_no_page_for_writing(
        tine, stage):
    t, pid = start(tine, stage, 2, "-b", "least-connections")
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        maps = f.read().splitlines()
    assert not [line for line in maps if "whoami" in line]
    boards = [line.split()[1] for line in maps if "tine-board" in line]
    assert sorted(boards) == ["r--s", "r--s", "rw-s"]
    assert procs.status_field(pid, "NoNewPrivs") == "1"
    assert int(procs.status_field(pid, "CapEff"), 16) == 0
    assert procs.status_field(pid, "Uid").split()[0] != "0"


def test_what_is_no_connection_is_closed_and_said(tine, stage):
    t, pid = start(tine, stage)
    writers = writers_of(pid)
    assert len(writers) == 2
    with open("/dev/null", "rb") as f, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for s in writers:
            send_fd(s, [f.fileno()])
            send_fd(s, [udp.fileno()])
            s.send(b"x")
            send_fd(s, [f.fileno(), udp.fileno(), f.fileno()])
            send_fd(s, [udp.fileno()], b"much more than one byte")
    t.wait_log(r"security: what came through the hand-off pair \d+ is no "
               "connection", count=2)
    before = {place: procs.fd_kinds(child)
              for place, child in t.children().items()}
    assert sorted(dispatch.places(t, 4)) == [0, 0, 1, 1]
    t.close_sockets()
    procs.eventually(lambda: {
        place: procs.fd_kinds(child)
        for place, child in t.children().items()} == before, 5,
        "nothing left behind")
    assert t.status()["master"]["crashes"] == 0


def test_a_child_sends_nothing_through_a_pair(tine, stage):
    t, _ = start(tine, stage)
    with pytest.raises(BrokenPipeError):
        reader_of(t, 1).send(b"x")
    dispatch.places(t, 4)


def test_a_pair_that_a_child_shuts_is_replaced(tine, stage):
    t, _ = start(tine, stage)
    reader_of(t, 1).shutdown(socket.SHUT_RDWR)
    t.wait_log(r"security: .*: the hand-off pair of place \d was shut by a "
               "child")
    procs.eventually(lambda: set(dispatch.places(t, 2)) == {0, 1}, 10,
                     "both places again")
    assert t.status()["master"]["crashes"] == 0


def test_a_child_that_forbids_descriptors_is_undone(tine, stage):
    t, _ = start(tine, stage)
    try:
        reader_of(t, 1).setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
    except OSError:
        pytest.skip("this kernel has no SO_PASSRIGHTS")
    assert len(dispatch.places(t, 4)) == 4
    procs.eventually(lambda: set(dispatch.places(t, 2)) == {0, 1}, 10,
                     "both places again")


def test_what_a_child_asks_of_the_kernel_does_not_hurt_its_successor(
        tine, stage):
    t, _ = start(tine, stage)
    s = reader_of(t, 1)
    for option in (socket.SO_PASSCRED, socket.SO_PASSSEC, 76):
        s.setsockopt(socket.SOL_SOCKET, option, 1)
    os.kill(t.children()[1], signal.SIGKILL)
    t.wait_children(2)
    assert sorted(dispatch.places(t, 8)) == [0] * 4 + [1] * 4
