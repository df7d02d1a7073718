# SPDX-License-Identifier: BSD-2-Clause
"""A browser shows the welcome page."""

import re
import subprocess

import pytest

from http1 import ask, get

CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
            "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"]


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_chromium_shows_the_welcome_page(tine, folder):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "2", "http")
    done = subprocess.run(
        [*CHROMIUM, f"--user-data-dir={folder}/profile", "--dump-dom",
         f"http://127.0.0.1:{t.port()}/"],
        capture_output=True, text=True, timeout=120, check=True)
    version = t.status()["version"]
    assert re.search(r"<h1[^>]*>.*tine", done.stdout, re.S | re.I)
    assert version in done.stdout
    assert any(str(pid) in done.stdout for pid in t.children().values())


def test_the_welcome_page_asks_nothing_of_other_servers(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http")
    answer = ask(t.connect(), get("/"))
    assert answer.status == 200
    assert answer.fields["content-type"].startswith("text/html")
    page = answer.body.decode()
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert "url(" not in page and "@import" not in page
    assert "prefers-color-scheme" in page
    assert re.search(r"<html[^>]* lang=", page)


def test_without_a_root_other_paths_are_404(tine):
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http")
    assert ask(t.connect(), get("/other")).status == 404
