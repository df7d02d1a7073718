# SPDX-License-Identifier: BSD-2-Clause
"""A real tree of documents, served by four children and fetched whole."""

import http.client
import os
import shutil
import threading
import urllib.parse

import pytest

# The second is for a machine whose packages came without their documents.
SOURCES = "/usr/share/doc", "/usr/include"
BYTES_MAX = 30 << 20
FILES_MIN = 1000


def leads_to_a_file_inside(root, path):
    end = os.path.realpath(path)
    return end.startswith(root + os.sep) and os.path.isfile(end)


def copy_of_a_real_tree(source, target):
    """Files of source up to BYTES_MAX, and its links that do not lead out."""
    total = 0
    names, links = [], []
    for folder, _, files in os.walk(source):
        for name in files:
            path = os.path.join(folder, name)
            if name.startswith("."):
                continue
            if os.path.islink(path):
                links.append(os.path.relpath(path, source))
                continue
            size = os.path.getsize(path)
            if size > BYTES_MAX // 10 or total + size > BYTES_MAX:
                continue
            relative = os.path.relpath(path, source)
            copy = os.path.join(target, relative)
            os.makedirs(os.path.dirname(copy), 0o755, exist_ok=True)
            shutil.copyfile(path, copy)
            os.chmod(copy, 0o644)
            total += size
            names.append(relative)
    for link in links:
        copy = os.path.join(target, link)
        os.makedirs(os.path.dirname(copy), 0o755, exist_ok=True)
        os.symlink(os.readlink(os.path.join(source, link)), copy)
    return names + [x for x in links if leads_to_a_file_inside(
        target, os.path.join(target, x))]


def fetch(port, root, names, wrong):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for name in names:
        conn.request("GET", "/" + urllib.parse.quote(name))
        answer = conn.getresponse()
        body = answer.read()
        with open(os.path.join(root, name), "rb") as f:
            if answer.status != 200 or body != f.read():
                wrong.append((name, answer.status, len(body)))
    conn.close()


@pytest.mark.timeout(120)
def test_a_real_tree_is_served_byte_for_byte_by_four_children(tine, folder):
    names = []
    for source in SOURCES:
        if len(names) < FILES_MIN:
            names += copy_of_a_real_tree(source, folder)
    assert len(names) >= FILES_MIN
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "4", "http", f"root={folder}")
    wrong = []
    workers = [threading.Thread(target=fetch, args=(
        t.port(), folder, names[i::16], wrong)) for i in range(16)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(100)
    assert wrong == []
    status = t.status()
    assert status["totals"]["requests"] == len(names)
    assert sum(c["restarts"] for c in status["children"]) == 0
