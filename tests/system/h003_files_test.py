# SPDX-License-Identifier: BSD-2-Clause
"""Files and folders: types, dates, tags, redirects, and what is not there."""

import email.utils
import os
import time

import pytest

from http1 import ask, get


@pytest.fixture
def site(tine, folder):
    os.makedirs(f"{folder}/site/sub dir/deep")
    for name, text in {"index.html": "home", "a.txt": "text", "empty": "",
                       "sub dir/index.html": "sub", "pic.png": "png",
                       "style.css": "css", "x.unknown-type": "?",
                       ".hidden": "secret", "umlaut-\u00e4.txt": "u",
                       "percent%41.txt": "p", "with space.txt": "s",
                       }.items():
        with open(f"{folder}/site/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    with open(f"{folder}/site/big.bin", "wb") as f:
        f.write(os.urandom(3 << 20))
    with open(f"{folder}/site/closed.txt", "w", encoding="ascii") as f:
        f.write("closed")
    os.chmod(f"{folder}/site/closed.txt", 0o000)
    with open(f"{folder}/outside.txt", "w", encoding="ascii") as f:
        f.write("outside")
    os.symlink("../outside.txt", f"{folder}/site/link.txt")
    os.symlink("../a.txt", f"{folder}/site/sub dir/inside.txt")
    os.mkfifo(f"{folder}/site/fifo")
    return tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", "root=site",
                folder=folder)


@pytest.mark.parametrize("path,body", [
    ("/", b"home"), ("/index.html", b"home"), ("/a.txt", b"text"),
    ("/empty", b""), ("/sub%20dir/", b"sub"), ("/with%20space.txt", b"s"),
    ("/umlaut-%C3%A4.txt", b"u"), ("/percent%2541.txt", b"p"),
    ("/%61.txt", b"text"), ("/a.txt?query=1", b"text"),
    ("//a.txt", b"text"), ("/sub%20dir/inside.txt", b"text")])
def test_a_path_finds_its_file(site, path, body):
    answer = ask(site.connect(), get(path))
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("path,kind", [
    ("/", "text/html"), ("/a.txt", "text/plain"), ("/pic.png", "image/png"),
    ("/style.css", "text/css"),
    ("/x.unknown-type", "application/octet-stream")])
def test_a_file_has_its_content_type(site, path, kind):
    answer = ask(site.connect(), get(path))
    assert answer.fields["content-type"].split(";")[0] == kind


def test_a_big_file_is_sent_whole(site):
    answer = ask(site.connect(), get("/big.bin"))
    with open(f"{site.folder}/site/big.bin", "rb") as f:
        assert answer.body == f.read()


def test_head_has_the_fields_of_get_and_no_body(site):
    s = site.connect()
    by_get = ask(s, get("/a.txt"))
    by_head = ask(s, get("/a.txt", method="HEAD"))
    for fields in (by_get.fields, by_head.fields):
        fields.pop("date")
    assert by_head.fields == by_get.fields
    assert ask(s, get("/a.txt")).body == b"text"


def test_an_unchanged_file_is_304_without_a_body(site):
    s = site.connect()
    first = ask(s, get("/a.txt"))
    tag, date = first.fields["etag"], first.fields["last-modified"]
    for field in (f"If-None-Match: {tag}", f"If-Modified-Since: {date}",
                  "If-None-Match: *", f'If-None-Match: "other", {tag}'):
        answer = ask(s, get("/a.txt", field))
        assert answer.status == 304, field
        assert answer.fields["etag"] == tag
    assert ask(s, get("/a.txt")).status == 200


def test_a_changed_file_is_sent_again(site):
    s = site.connect()
    path = f"{site.folder}/site/a.txt"
    os.utime(path, (1_000_000_000, 1_000_000_000))
    first = ask(s, get("/a.txt"))
    with open(path, "w", encoding="ascii") as f:
        f.write("new!!")
    os.utime(path, (1_500_000_000, 1_500_000_000))
    answer = ask(s, get("/a.txt", f"If-None-Match: {first.fields['etag']}"))
    assert (answer.status, answer.body) == (200, b"new!!")
    answer = ask(s, get(
        "/a.txt", f"If-Modified-Since: {first.fields['last-modified']}"))
    assert answer.status == 200


def test_a_tag_that_does_not_match_wins_over_the_date(site):
    s = site.connect()
    date = ask(s, get("/a.txt")).fields["last-modified"]
    answer = ask(s, get("/a.txt", 'If-None-Match: "no"',
                        f"If-Modified-Since: {date}"))
    assert answer.status == 200


def test_last_modified_is_the_time_of_the_file(site):
    answer = ask(site.connect(), get("/a.txt"))
    seconds = int(os.stat(f"{site.folder}/site/a.txt").st_mtime)
    assert answer.fields["last-modified"] == \
        email.utils.formatdate(seconds, usegmt=True)


@pytest.mark.parametrize("path,target", [
    ("/sub%20dir", "/sub%20dir/"), ("/sub%20dir?q=1", "/sub%20dir/?q=1"),
    ("//sub%20dir", "/sub%20dir/")])
def test_a_folder_without_its_slash_is_301(site, path, target):
    answer = ask(site.connect(), get(path, host="evil.example"))
    assert answer.status == 301
    assert answer.fields["location"] == target


@pytest.mark.parametrize("path", [
    "/none", "/a.txt/", "/a.txt/b", "/sub%20dir/deep/", "/.hidden",
    "/link.txt", "/fifo", "/sub%20dir/none.html"])
def test_what_is_not_there_or_not_shown_is_403_or_404(site, path):
    s = site.connect()
    answer = ask(s, get(path))
    assert answer.status in (403, 404)
    assert b"secret" not in answer.body and b"outside" not in answer.body
    assert ask(s, get("/a.txt")).status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="children are then no one else")
def test_a_file_that_children_may_not_read_is_403_or_404(site):
    answer = ask(site.connect(), get("/closed.txt"))
    assert answer.status in (403, 404)
    assert b"closed" not in answer.body


def test_the_date_is_now(site):
    answer = ask(site.connect(), get("/"))
    sent = email.utils.parsedate_to_datetime(answer.fields["date"])
    assert abs(sent.timestamp() - time.time()) < 5


def test_the_first_index_file_that_exists_is_served(tine, folder):
    with open(f"{folder}/second.htm", "w", encoding="ascii") as f:
        f.write("second")
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", "root=.",
             "index=first.htm,second.htm", folder=folder)
    assert ask(t.connect(), get("/")).body == b"second"


def test_a_folder_without_an_index_shows_no_list_of_files(tine, folder):
    with open(f"{folder}/private-name.txt", "w", encoding="ascii"):
        pass
    t = tine("-l", "tcp://127.0.0.1:0", "-n", "1", "http", "root=.",
             folder=folder)
    answer = ask(t.connect(), get("/"))
    assert answer.status in (403, 404)
    assert b"private-name" not in answer.body
