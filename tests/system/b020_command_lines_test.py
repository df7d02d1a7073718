# SPDX-License-Identifier: BSD-2-Clause
"""The command lines that the specification promises, as they stand. -C is left
out as there, so a control socket of another server may be in the way: tine then
says so and runs without one."""

import re
import shutil
import socket
import subprocess

import net


def curl(*args):
    return subprocess.run(["curl", "-sS", "-m", "10", *args], check=True,
                          capture_output=True, text=True).stdout


def echoes(sock, data=b"hello", answer=b"hello"):
    sock.sendall(data)
    return net.recv_exact(sock, len(answer)) == answer


def test_tine_alone_serves_the_welcome_page(tine, fixed_ports):
    fixed_ports(8080)
    t = tine(control=None)
    assert t.listeners == [("tcp://127.0.0.1:8080", "http")]
    assert "tine" in curl("http://127.0.0.1:8080/")


def test_http_with_a_root_serves_a_folder(tine, fixed_ports, folder):
    fixed_ports(8080)
    with open(f"{folder}/a.txt", "w", encoding="ascii") as f:
        f.write("a file\n")
    tine("http", "root=.", control=None, folder=folder)
    assert curl("http://127.0.0.1:8080/a.txt") == "a file\n"


def test_evios_echo_example(tine, fixed_ports):
    fixed_ports(7890)
    t = tine("-l", "tcp://:7890?reuseport=true", "echo", control=None)
    assert echoes(t.connect(address=("127.0.0.1", 7890)))
    assert echoes(t.connect(address=("::1", 7890)))


def test_a_port_with_reuseport_can_be_shared_with_a_second_server(
        tine, fixed_ports):
    fixed_ports(7890)
    url = "tcp://:7890?reuseport=true"
    tine("-l", url, "-n", "1", "echo")
    tine("-l", url, "-n", "1", "upper")
    answers = set()
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", 7890), 5) as s:
            s.sendall(b"a")
            answers.add(s.recv(1))
    assert answers == {b"a", b"A"}


def test_gnets_http_hello_with_curl(tine, fixed_ports):
    fixed_ports(8080)
    tine("-l", "8080", "-n", "auto", "-a", "reuseport", "http",
         r"text=Hello World!\r\n", control=None)
    head, _, body = curl("-i", "127.0.0.1:8080").partition("\n\n")
    assert body == "Hello World!\n"
    lines = head.splitlines()
    assert lines[0] == "HTTP/1.1 200 OK"
    assert any(re.match(r"Server: tine", x) for x in lines)
    assert any(re.match(r"Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$", x)
               for x in lines)
    assert "Content-Length: 14" in lines


def test_gnets_http_hello_with_one_loop(tine, fixed_ports):
    fixed_ports(8080)
    t = tine("-l", "8080", "-n", "1", "http", r"text=Hello World!\r\n",
             control=None)
    assert t.ready == 1
    assert curl("127.0.0.1:8080") == "Hello World!\n"


def test_http_hello_by_hand(tine, fixed_ports, stage):
    fixed_ports(8080)
    tine("-l", "8080", stage.example("http_hello"), control=None)
    head, _, body = curl("-i", "127.0.0.1:8080").partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert "Hello World!" in body


def test_http_hello_by_hand_with_a_main_of_its_own(tine, fixed_ports, stage):
    fixed_ports(8080)
    t = tine("-l", "8080", "-n", "auto", control=None,
             program=stage.program("examples/http_hello"))
    assert t.listeners == [("tcp://:8080", "http_hello")]
    assert "Hello World!" in curl("-i", "127.0.0.1:8080")


def test_uppercase_echo_in_c(tine, fixed_ports):
    fixed_ports(8888)
    t = tine("-l", "tcp4://:8888", "upper", control=None)
    assert echoes(t.connect(), b"shout", b"SHOUT")


def test_upper_once_closes_after_the_first_answer(tine, fixed_ports):
    fixed_ports(8888)
    t = tine("-l", "tcp4://:8888", "upper", "once=true", control=None)
    s = t.connect()
    s.sendall(b"shout")
    assert net.recv_all(s) == b"SHOUT"


def test_localhost_9000_echo(tine, fixed_ports):
    fixed_ports(9000)
    t = tine("-l", "localhost:9000", "echo", control=None)
    assert echoes(t.connect(address=("localhost", 9000)))


def test_127_0_0_1_9851_echo(tine, fixed_ports):
    fixed_ports(9851)
    t = tine("-l", "tcp://127.0.0.1:9851", "echo", control=None)
    assert echoes(t.connect(address=("127.0.0.1", 9851)))


def test_unix_socket_echo_with_nc(tine):
    t = tine("-l", "unix://socket", "echo", control=None)
    assert shutil.which("nc")
    done = subprocess.run(["nc", "-N", "-U", f"{t.folder}/socket"],
                          input=b"over unix\n", capture_output=True,
                          timeout=10, check=True)
    assert done.stdout == b"over unix\n"


def test_options_may_stand_behind_the_handler(tine):
    t = tine("http", r"text=hi", "-l", "tcp://127.0.0.1:0", "-n", "1")
    assert curl(f"127.0.0.1:{t.port()}") == "hi"
