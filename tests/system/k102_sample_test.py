# SPDX-License-Identifier: BSD-2-Clause
"""conf/tine.yaml, the sample: it is good, it is what tine does without it, and
every key stands in it, in the manual and in --help."""

import os
import re

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SAMPLE = f"{TOP}/conf/tine.yaml"
MANUAL = f"{TOP}/conf/tine.yaml.5"
# The lines of -T: "  level: info", "  - listen:", "# user: not set".
LINE = re.compile(r"^( *)(- |# )?([a-z-]+):(.*)$")


def keys_of(dump):
    """Every key that a dump has, with the keys it stands below: a key of a
    server begins with "servers."."""
    keys, path = [], []
    for line in dump.splitlines():
        hit = LINE.match(line)
        if not hit:
            continue
        depth = len(hit[1]) + (2 if hit[2] == "- " else 0)
        path = [p for p in path if p[0] < depth] + [(depth, hit[3])]
        keys.append(".".join(p[1] for p in path))
    return keys


@pytest.fixture
def dump(run_tine):
    def make(*args):
        done = run_tine("-T", *args)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return make


@pytest.fixture
def keys(dump):
    found = keys_of(dump())
    assert len(found) > 50
    return found


def test_the_sample_is_good(run_tine):
    done = run_tine("-t", "-c", SAMPLE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tine: {SAMPLE}: the configuration is good\n"
    assert done.stderr == ""


def test_the_sample_has_the_defaults(dump):
    assert re.sub(r"options:\n +index: index.html\n", "options: {}\n",
                  dump("-c", SAMPLE)) == dump()


def test_a_dump_is_dumped_as_itself(dump, folder):
    one = dump("-c", SAMPLE)
    with open(f"{folder}/one.yaml", "w", encoding="ascii") as f:
        f.write(one)
    assert dump("-c", f"{folder}/one.yaml") == one


def test_a_dump_of_what_is_hard_to_write_is_dumped_as_itself(dump, folder):
    text = r'''# : "quoted" \r\n \x01 {brace} - 'x' '''
    one = dump("-n", "3:5", "-A", "localhost:9180", "-p", "a b: c.pid", "-C", "none", "-L", "true",
               "-o", "cpu-affinity=0,2-3", "-o", "drain-timeout=1500ms",
               "-o", "rlimit-nofile=1000", "-o", "cpu-affinity=none",
               "-l", "tcp://localhost:0?backlog=9",
               "-l", "unix://a b?mode=0600", "-l", "0?handler=echo",
               "http", f"text={text}", "index=", "root=.")
    with open(f"{folder}/one.yaml", "w", encoding="ascii") as f:
        f.write(one)
    assert dump("-c", f"{folder}/one.yaml") == one
    assert "max-connections: 936" in one
    assert "\nprocesses: \"3:5\"\n" in f"\n{one}"
    assert one.count("localhost") == 1 # of the key admin
    assert one.count("  - listen:") == 2


def test_every_key_is_in_the_sample(keys):
    with open(SAMPLE, encoding="ascii") as f:
        sample = f.read()
    # A key that is a comment stands where it would stand without the mark.
    plain = re.sub(r"^( *)# (?= *[a-z-]+:)", r"\1", sample, flags=re.MULTILINE)
    assert set(keys) - set(keys_of(plain)) == set()


def test_every_key_is_in_the_manual(keys):
    with open(MANUAL, encoding="ascii") as f:
        manual = f.read()
    named = re.findall(r"^\.It Ic (.*)$", manual, re.MULTILINE)
    words = [word for line in named for word in line.split(" , ")]
    # Maps of the same name, as "connections", have an entry each.
    for word in {key.split(".")[-1] for key in keys}:
        wanted = len([k for k in keys if k.split(".")[-1] == word])
        assert words.count(word) == wanted, word


def test_every_key_is_in_the_help(run_tine, keys):
    text = run_tine("--help").stdout
    words = {w.rstrip("*") for w in text[text.index("Keys for"):].split()}
    groups = {k.rpartition(".")[0] for k in keys}
    below = {re.sub(r"^servers\.", "", k) for k in keys if k not in groups}
    assert below - words == set()
