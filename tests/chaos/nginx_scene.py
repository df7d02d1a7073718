# SPDX-License-Identifier: BSD-2-Clause
"""nginx_scene.py: nginx as the server of a chaos run, for comparison: the same
clients, the same rule, the same events as far as nginx has them. It is
configured as its packages do it, but for more workers than one."""

import os
import shutil
import signal
import subprocess
import time

import net
import procs
from scene import Scene, Target, free_ports

WORKERS = 4
# As long as tine takes to replace a child that hangs, roughly.
HANG_SECONDS = 10
CONF = """\
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
{listen}
        root {www};
    }}
}}
"""


def is_installed():
    return shutil.which("nginx") is not None


class NginxScene(Scene):
    def __init__(self, stage, modes, rate, seed):
        super().__init__(stage, modes, rate, seed)
        self.n = WORKERS
        self.process = None
        self.conf_path = os.path.join(self.folder, "nginx.conf")
        ports = iter(free_ports(2))
        for mode in self.modes:
            where = os.path.join(self.folder, "http.sock") \
                if mode == "unix" else next(ports)
            self.targets.append(Target(mode, "http", where))
        self.write_conf()

    def _listen(self, target):
        where = f"unix:{target.url.removeprefix('unix://')}" \
            if target.port is None else f"127.0.0.1:{target.port}"
        word = " reuseport" if target.mode == "reuseport" else ""
        return f"        listen {where}{word};"

    def write_conf(self):
        listen = "\n".join(map(self._listen, self.targets))
        with open(self.conf_path, "w", encoding="ascii") as f:
            f.write(CONF.format(workers=self.n, folder=self.folder,
                                www=self.www, listen=listen))

    def start(self):
        log = os.path.join(self.folder, "nginx.log")
        self.process = subprocess.Popen(
            ["nginx", "-p", self.folder, "-c", self.conf_path, "-e", log,
             "-g", "daemon off;"], stdin=subprocess.DEVNULL,
            start_new_session=True)
        self.settle()

    @property
    def pid(self):
        return self.process.pid

    def workers(self):
        """Pids of the workers that are not leaving."""
        found = []
        for pid in procs.children_of(self.pid):
            try:
                if procs.title(pid) == "nginx: worker process":
                    found.append(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def settle(self, timeout=30, without=()):
        def full():
            now = self.workers()
            return len(now) == self.n and not set(now) & set(without)
        procs.eventually(full, timeout, f"{self.n} workers")

    def close(self):
        for victim in self.victims:
            victim.close()
        if self.process is None:
            return []
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        left = procs.in_session(self.pid)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return [f"left: {left}"] if left else []


def reload(scene, rng):
    del rng
    old = scene.workers()
    begin = time.monotonic()
    scene.process.send_signal(signal.SIGHUP)
    scene.settle(without=old)
    return {"seconds": time.monotonic() - begin}


def scale(scene, rng, to, **_):
    scene.n = to
    scene.write_conf()
    return reload(scene, rng)


def kill(scene, rng):
    victim = scene.take(rng.choice(scene.workers()))
    victim.kill()
    victim.wait_gone(10)
    scene.settle()
    return {"pause_ms": (victim.killed_ns - victim.stopped_ns) / 1e6,
            "seconds": (time.monotonic_ns() - victim.killed_ns) / 1e9}


def hang(scene, rng):
    """It never looks at its workers: here the operator does, some time
    later."""
    victim = scene.take(rng.choice(scene.workers()))
    victim.hung = True
    net.wait_seconds(HANG_SECONDS)
    victim.send(signal.SIGCONT)
    end = time.monotonic_ns()
    return {"seconds": (end - victim.stopped_ns) / 1e9,
            "window": (victim.stopped_ns, end)}


EVENTS = {"reload": reload, "scale": scale, "kill": kill, "hang": hang}
