# SPDX-License-Identifier: BSD-2-Clause
"""Where the control socket is when nobody says where."""

import os
import subprocess

import pytest

pytestmark = pytest.mark.skipif(os.getuid() != 0,
                                reason="starts tine as another user")
NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": []}


@pytest.fixture
def env(folder):
    """XDG_RUNTIME_DIR of the user nobody."""
    runtime = os.path.join(folder, "run")
    os.mkdir(runtime, 0o700)
    os.chown(runtime, 65534, 65534)
    return {"XDG_RUNTIME_DIR": runtime}


def test_a_user_finds_the_server_in_xdg_runtime_dir(tine, stage, env):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo", control=None,
             user="nobody", env=env)
    path = f"{env['XDG_RUNTIME_DIR']}/tine/control.sock"
    assert t.log("^tine: ready: ")[0].endswith(f"control {path}")
    done = subprocess.run([stage.tinectl, "status"], **NOBODY,
                          env=dict(os.environ, **env), capture_output=True,
                          text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert str(t.pid) in done.stdout


def test_a_second_server_warns_and_runs_without_one(tine, env):
    tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo", control=None,
         user="nobody", env=env)
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "echo", control=None,
             user="nobody", env=env)
    assert t.log("^tine: warn .*control")
    assert t.log("^tine: ready: ")[0].endswith("control none")
    with t.connect() as s:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
