# SPDX-License-Identifier: BSD-2-Clause
"""A log that nobody reads makes nobody wait, and costs lines that are
counted."""

import fcntl
import os
import pathlib
import re
import signal
import subprocess

import pytest

import logs
import net
import procs

LINES = 400


def serve_some(t, n=LINES):
    """Each connection is two lines at debug."""
    for _ in range(n):
        s = t.connect(timeout=5)
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        s.close()
    t.sockets = []


def drain_pipe(fd):
    """What is in the pipe now."""
    os.set_blocking(fd, False)
    parts = []
    try:
        while part := os.read(fd, 65536):
            parts.append(part)
    except BlockingIOError:
        pass
    return b"".join(parts).decode()


def a_small_pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def serve_past_the_pipe(t, reader):
    """Serve with a pipe that nobody reads, then read, and see that the loss is
    told and that no line is torn."""
    serve_some(t)
    text = drain_pipe(reader)
    assert procs.eventually(
        lambda: logs.lost(drain_pipe(reader).splitlines()), 5) > 0
    t.stop()
    whole = re.compile(r"tine: (ready: |(error|warn|info|debug) )")
    for line in text.splitlines():
        assert whole.match(line), line


def test_a_fifo_whose_reader_stands_still(tine, folder):
    path = os.path.join(folder, "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", path,
             "--log-level", "debug", "echo")
    serve_some(t)
    text = drain_pipe(reader)
    assert logs.torn(text.splitlines()) == []
    assert procs.eventually(
        lambda: logs.lost(drain_pipe(reader).splitlines()), 5) > 0
    os.close(reader)
    serve_some(t, 20)
    t.stop()


def test_a_fifo_read_by_a_process_that_is_stopped(tine, folder):
    path = os.path.join(folder, "fifo")
    os.mkfifo(path)
    copy = os.path.join(folder, "copy")
    with open(copy, "wb") as out:
        cat = subprocess.Popen(["cat", path], stdout=out)
    try:
        t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "-L", path,
                 "--log-level", "debug", "echo")
        cat.send_signal(signal.SIGSTOP)
        serve_some(t, 1000)
        cat.send_signal(signal.SIGCONT)
        procs.eventually(
            lambda: logs.LOST.search(pathlib.Path(copy).read_text()), 5)
        t.stop()
        assert cat.wait(10) == 0
    finally:
        if cat.poll() is None:
            cat.kill()
            cat.wait()
    assert logs.torn(logs.read(copy)) == []


def test_stderr_that_nobody_reads(tine):
    reader, writer = a_small_pipe()
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "--log-level", "debug",
             "echo", stderr=writer, ready=False)
    t.wait_serving(2)
    # Whoever else has this pipe finds it as it was.
    assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(writer)
    serve_past_the_pipe(t, reader)
    os.close(reader)


def test_stderr_that_may_not_be_opened_again(tine):
    """A pipe of root's, below a server of somebody else."""
    if os.getuid() != 0:
        pytest.skip("only root can start a server as somebody else")
    reader, writer = a_small_pipe()
    url = f"tcp://127.0.0.1:{net.free_port()}"
    t = tine("-l", url, "-n", "2", "--log-level", "debug", "echo",
             stderr=writer, ready=False, user="nobody", control=False)
    t.listeners = [(url, "echo")]
    procs.eventually(lambda: not net.is_refused(t.address()), 10)
    assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(writer)
    serve_past_the_pipe(t, reader)
    os.close(reader)


def test_stderr_whose_reader_is_gone(tine):
    reader, writer = os.pipe()
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "--log-level", "debug",
             "echo", stderr=writer, ready=False)
    os.close(writer)
    t.wait_serving(2)
    os.close(reader)
    serve_some(t, 50)
    assert t.tinectl("kill", 0).returncode == 0
    t.stop()


def test_a_pipe_that_is_full_before_the_start_delays_nothing(tine):
    reader, writer = a_small_pipe()
    os.write(writer, b"x" * 4096)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo", stderr=writer,
             ready=False)
    os.close(writer)
    t.wait_serving(1)
    serve_some(t, 3)
    t.stop()
    os.close(reader)


def test_a_terminal_that_stands_still(tine):
    """As after Ctrl-S."""
    leader, terminal = os.openpty()
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "--log-level", "debug",
             "echo", stderr=terminal, ready=False)
    t.wait_serving(2)
    assert not fcntl.fcntl(terminal, fcntl.F_GETFL) & os.O_NONBLOCK
    serve_some(t, 600)
    procs.eventually(lambda: logs.LOST.search(drain_pipe(leader)), 5)
    t.stop()
    os.close(terminal)
    os.close(leader)
