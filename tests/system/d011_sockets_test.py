# SPDX-License-Identifier: BSD-2-Clause
"""Listening sockets from the service manager: of a socket unit, which
systemd-socket-activate imitates, and of its store, so that clients wait even
while there is no master at all."""

import os
import signal
import socket

import pytest

import net
import procs
from notify import Manager, Sockets

ACTIVATE = "systemd-socket-activate"


@pytest.fixture
def manager():
    made = Manager()
    yield made
    made.close()


def ask(address, data=b"hello"):
    """A client that has sent its question and waits."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(address)
    s.sendall(data)
    return s


def answered(clients, data=b"hello"):
    for s in clients:
        with s:
            assert net.recv_exact(s, len(data)) == data


# ---- systemd-socket-activate ----

def activate(tine, listens, args, **options):
    """Started by the first client."""
    under = [ACTIVATE]
    for address in listens:
        under += ["-l", address]
    return tine(*args, under=under, ready=False, **options)


def wait_listening(address):
    def probe():
        try:
            return ask(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return None
    return procs.eventually(probe, 10, "systemd-socket-activate listens")


@pytest.mark.parametrize("count", [1, 4])
def test_the_first_client_starts_the_server_and_is_served(tine, count):
    port = net.free_port()
    address = ("127.0.0.1", port)
    t = activate(tine, [f"127.0.0.1:{port}"],
                 ["-l", f"tcp://127.0.0.1:{port}", "-n", count, "echo"])
    first = wait_listening(address)
    t.wait_ready()
    answered([first])
    answered([ask(address) for _ in range(40)])
    assert len(t.children()) == count


def test_sockets_are_matched_by_address_and_not_by_order(tine, folder):
    one, two = net.free_port(), net.free_port()
    path = f"{folder}/s.sock"
    t = activate(tine, [f"127.0.0.1:{one}", path, f"[::1]:{two}"],
                 ["-l", f"tcp://[::1]:{two}", "-l", f"unix://{path}",
                  "-l", f"tcp://127.0.0.1:{one}", "-n", "2", "echo"],
                 folder=folder)
    first = wait_listening(("127.0.0.1", one))
    t.wait_ready()
    answered([first, ask(path)])
    with socket.create_connection(("::1", two), 10) as s:
        s.sendall(b"six")
        assert net.recv_exact(s, 3) == b"six"


def test_a_unix_path_that_was_handed_over_is_not_removed(tine, folder):
    path = f"{folder}/s.sock"
    t = activate(tine, [path], ["-l", f"unix://{path}", "echo"],
                 folder=folder)
    first = wait_listening(path)
    t.wait_ready()
    answered([first])
    inode = os.stat(path).st_ino
    t.stop()
    assert os.stat(path).st_ino == inode


# ---- a socket unit ----

def listening(host="127.0.0.1", port=0):
    s = socket.socket(socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen(100)
    return s


def test_a_stop_leaves_the_unit_s_socket_to_the_next_server(tine):
    with listening() as s:
        address = s.getsockname()
        args = ["-l", f"tcp://127.0.0.1:{address[1]}", "-n", "2", "echo"]
        t = tine(*args, **Sockets((s, "tine.socket")).options())
        answered([ask(address)])
        t.stop()
        waiting = [ask(address) for _ in range(10)]
        tine(*args, **Sockets((s, "tine.socket")).options())
        answered(waiting)


def test_a_draining_server_leaves_new_clients_to_the_next_one(tine):
    with listening() as s:
        address = s.getsockname()
        args = ["-l", f"tcp://127.0.0.1:{address[1]}", "-n", "2", "echo"]
        t = tine(*args, **Sockets((s, "tine.socket")).options())
        held = ask(address)
        assert net.recv_exact(held, 5) == b"hello"
        t.signal(signal.SIGTERM)

        def find_one_that_waits():
            client = ask(address)
            client.settimeout(1)
            try:
                client.recv(1)
            except TimeoutError:
                client.settimeout(20)
                return client
            client.close()
            return None
        waiting = procs.eventually(find_one_that_waits, 10, "they let go")
        held.sendall(b"still")
        assert net.recv_exact(held, 5) == b"still"
        held.close()
        assert t.wait() == 0
        tine(*args, **Sockets((s, "tine.socket")).options())
        answered([waiting])


def test_a_reload_that_leaves_it_shuts_nobody_out(tine, folder):
    path = f"{folder}/tine.yaml"

    def write(*ports):
        urls = ", ".join(f'"tcp://127.0.0.1:{p}"' for p in ports)
        with open(path, "w", encoding="ascii") as f:
            f.write("processes: 2\ntiming: { prove: 0, commit: 0 }\n"
                    f"servers: [ {{ handler: echo, listen: [ {urls} ] }} ]\n")
    with listening() as s:
        port, other = s.getsockname()[1], net.free_port()
        write(port, other)
        t = tine("-c", path, folder=folder,
                 **Sockets((s, "tine.socket")).options())
        answered([ask(s.getsockname())])
        write(other)
        assert t.tinectl("reload").returncode == 0
        procs.eventually(
            lambda: set(procs.children_of(t.pid)) ==
            set(t.children().values()), 10, "the old children are gone")
        # Nobody but the service manager has it now.
        with ask(s.getsockname()):
            s.settimeout(10)
            taken, _ = s.accept()
            with taken:
                assert net.recv_exact(taken, 5) == b"hello"


def test_the_next_binary_does_not_shut_it_down_either(tine):
    with listening() as s:
        args = ["-l", f"tcp://127.0.0.1:{s.getsockname()[1]}", "-n", "2",
                "echo"]
        t = tine(*args, **Sockets((s, "tine.socket")).options())
        assert t.tinectl("upgrade").returncode == 0
        answered([ask(s.getsockname())])
        t.stop()
        waiting = ask(s.getsockname())
        tine(*args, **Sockets((s, "tine.socket")).options())
        answered([waiting])


def test_what_the_unit_has_set_is_nobody_s_attack(tine):
    with listening() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 3)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
        t = tine("-l", f"tcp://127.0.0.1:{s.getsockname()[1]}", "-n", "2",
                 "echo", **Sockets((s, "tine.socket")).options())
        # They are looked at each second.
        net.wait_seconds(2.5)
        answered([ask(s.getsockname()) for _ in range(10)])
        assert t.log("security") == []
        assert s.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x10


def test_further_slots_join_it(tine, manager):
    with listening() as s:
        address = s.getsockname()
        t = tine("-l", f"tcp://127.0.0.1:{address[1]}", "-n", "3", "-a",
                 "reuseport", "echo",
                 **Sockets((s, "x")).options(manager.env()))
        url = f"tcp://127.0.0.1:{address[1]}"
        manager.wait_names([f"{url}#{i}" for i in range(3)])
        answered([ask(address) for _ in range(60)])
        t.stop()


def test_those_of_a_scaling_join_it_too(tine, manager):
    with listening() as s:
        address = s.getsockname()
        t = tine("-l", f"tcp://127.0.0.1:{address[1]}", "-n", "1", "echo",
                 **Sockets((s, "x")).options(manager.env()))
        assert t.tinectl("scale", 3).returncode == 0
        manager.wait_names(url_names(address[1], 3))
        answered([ask(address) for _ in range(60)])


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_another_user_s_socket_is_shared_by_all_children(tine, manager):
    with listening() as s:
        address = s.getsockname()
        t = tine("-l", f"tcp://127.0.0.1:{address[1]}", "-n", "3", "echo",
                 user="nobody", control=False,
                 **Sockets((s, "x")).options(manager.env()))
        manager.wait_names([f"tcp://127.0.0.1:{address[1]}#0"])
        answered([ask(address) for _ in range(60)])
        assert t.log("shared by all children")
        t.signal(signal.SIGTTIN)
        t.wait_log("scale: done")
        answered([ask(address) for _ in range(60)])
        t.stop()


def test_sockets_for_another_process_are_ignored_and_that_is_said(tine):
    with listening() as s:
        t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo",
                 **Sockets((s, "x"), pid="1").options())
        assert t.log("sockets of the service manager are ignored: .*pid 1$")
        assert t.port() != s.getsockname()[1]


def test_a_socket_that_no_listener_wants_is_named(tine):
    with listening() as s:
        port = s.getsockname()[1]
        t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo",
                 **Sockets((s, "odd")).options())
        t.wait_log(rf"127\.0\.0\.1:{port} \(odd\) has no listener's address")


def test_a_connection_instead_of_a_listener_is_78(tine):
    one, two = socket.socketpair()
    with one, two:
        t = tine("-l", "tcp://127.0.0.1:0", "echo", ready=False, code=78,
                 **Sockets((one, "connection")).options())
        assert t.wait() == 78
        t.wait_log(r"\(connection\) is a connection")
        t.wait_log("hint: Accept=no")


def test_children_hold_their_slots_and_no_other_socket(tine):
    with listening() as s, listening() as other:
        port = s.getsockname()[1]
        t = tine("-l", f"tcp://127.0.0.1:{port}", "-n", "2", "echo",
                 **Sockets((other, "a"), (s, "b")).options())
        foreign = f"socket:[{os.fstat(other.fileno()).st_ino}]"
        for pid in [t.pid, *t.children().values()]:
            held = {os.readlink(f"/proc/{pid}/fd/{n}")
                    for n in os.listdir(f"/proc/{pid}/fd")}
            assert foreign not in held


# ---- the store ----

def start_again(tine, manager, port, count):
    return tine("-l", f"tcp://127.0.0.1:{port}", "-n", count, "-a",
                "reuseport", "echo", **manager.sockets().options(
                    manager.env()))


def url_names(port, count):
    return [f"tcp://127.0.0.1:{port}#{i}" for i in range(count)]


@pytest.mark.parametrize("before,after", [(4, 4), (4, 1), (2, 4), (1, 1)])
def test_clients_wait_while_the_master_is_dead(tine, manager, before, after):
    port = net.free_port()
    address = ("127.0.0.1", port)
    t = start_again(tine, manager, port, before)
    manager.wait_names(url_names(port, before))
    t.kill()
    # Its children leave as well: whoever comes now finds nobody.
    procs.eventually(lambda: not procs.in_session(t.pid), 20, "all are gone")
    waiting = [ask(address) for _ in range(60)]
    t = start_again(tine, manager, port, after)
    answered(waiting)
    answered([ask(address) for _ in range(60)])
    t.stop()
    manager.wait_names([])
    assert net.is_refused(address)


def test_no_slot_of_them_is_given_up(tine, manager):
    port = net.free_port()
    address = ("127.0.0.1", port)
    t = start_again(tine, manager, port, 4)
    manager.wait_names(url_names(port, 4))
    t.kill()
    procs.eventually(lambda: not procs.in_session(t.pid), 20, "all are gone")
    t = start_again(tine, manager, port, 2)
    for count in (3, 1):
        assert t.tinectl("scale", count).returncode == 0
        answered([ask(address) for _ in range(60)])
    assert manager.names() == url_names(port, 4)


def test_a_start_that_fails_leaves_the_clients_to_the_next_one(tine, manager):
    port = net.free_port()
    address = ("127.0.0.1", port)
    t = start_again(tine, manager, port, 2)
    manager.wait_names(url_names(port, 2))
    t.kill()
    procs.eventually(lambda: not procs.in_session(t.pid), 20, "all are gone")
    waiting = [ask(address) for _ in range(20)]
    with listening() as busy:
        t = tine("-l", f"tcp://127.0.0.1:{port}",
                 "-l", f"tcp://127.0.0.1:{busy.getsockname()[1]}", "-n", "2",
                 "echo", ready=False, code=69,
                 **manager.sockets().options(manager.env()))
        assert t.wait() == 69
    assert manager.names() == url_names(port, 2)
    start_again(tine, manager, port, 2)
    answered(waiting)


def test_a_unix_socket_is_found_again_too(tine, manager, folder):
    path = f"{folder}/s.sock"
    args = ["-l", f"unix://{path}", "-n", "2", "echo"]
    t = tine(*args, env=manager.env(), folder=folder)
    manager.wait_names([f"unix://{path}#0"])
    t.kill()
    procs.eventually(lambda: not procs.in_session(t.pid), 20, "all are gone")
    waiting = [ask(path) for _ in range(5)]
    tine(*args, folder=folder, **manager.sockets().options(manager.env()))
    answered(waiting)


def test_a_listener_that_is_gone_is_forgotten(tine, manager):
    port = net.free_port()
    t = start_again(tine, manager, port, 2)
    manager.wait_names(url_names(port, 2))
    t.kill()
    # Until then its children hold the port as well.
    procs.eventually(lambda: not procs.in_session(t.pid), 20, "all are gone")
    sockets = manager.sockets()
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo",
             **sockets.options(manager.env()))
    manager.wait_names(url_names(t.port(), 1))
    assert net.is_refused(("127.0.0.1", port))
