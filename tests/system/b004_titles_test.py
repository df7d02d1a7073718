# SPDX-License-Identifier: BSD-2-Clause
"""What ps shows."""

import procs


def wait_title(pid, wanted):
    procs.eventually(lambda: procs.title(pid) == wanted, 5, wanted)


def test_titles_say_who_a_process_is_and_what_it_does(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4", "echo")
    wait_title(t.pid, "tine: master, 4 children, gen 1")
    for place, pid in t.children().items():
        wait_title(pid, f"tine: child {place}, 0 connections, gen 1")


def test_the_master_counts_the_children_that_serve(tine, stage):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4",
             stage.handler("crash_third"), ready=False, reports=True)
    t.wait_serving(3)
    wait_title(t.pid, "tine: master, 3 children, gen 1")


def test_a_child_counts_its_connections_in_its_title(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo")
    held = [t.connect() for _ in range(3)]
    for s in held:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    (pid,) = t.children().values()
    wait_title(pid, "tine: child 0, 3 connections, gen 1")
