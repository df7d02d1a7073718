# SPDX-License-Identifier: BSD-2-Clause
"""10,000 random changes of the sample configuration, each through `tine -t`: no
crash, no hang, and every error names its line."""

import concurrent.futures
import os
import random
import re
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
MUTATIONS = 10000
SEED = 20
MARKS = [b"[", b"]", b"{", b"}", b":", b": ", b"- ", b"#", b"&a ", b"*a",
         b"!!", b"|", b">", b"'", b'"', b"\\", b"\t", b"\r", b"\0", b"\xff",
         b"\xc3\xa9", b"---\n", b"...\n", b"%", b"@", b"`", b"?", b",", b"~",
         b"-1", b"99999999999999999999", b"0", b"\n", b"  ", b"\xef\xbb\xbf"]
# What a bad configuration may end with: spec 2.
CODES = {0, 77, 78}
ERROR = re.compile(r"^tine: m\d+\.yaml:\d+:\d+: .")


def change_byte(rng, text):
    at = rng.randrange(len(text))
    return text[:at] + bytes([rng.randrange(256)]) + text[at + 1:]


def insert_mark(rng, text):
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(MARKS) * rng.choice([1, 1, 1, 50]) + text[at:]


def drop_bytes(rng, text):
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.randrange(1, 30):]


def cut(rng, text):
    return text[:rng.randrange(len(text))]


def change_lines(rng, text):
    lines = text.split(b"\n")
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    do = rng.randrange(5)
    if do == 0:
        del lines[one]
    elif do == 1:
        lines.insert(two, lines[one])
    elif do == 2:
        lines[one], lines[two] = lines[two], lines[one]
    elif do == 3:
        lines[one] = b" " * rng.randrange(6) + lines[one].lstrip()
    else:
        # A key that is a comment becomes one that counts.
        lines[one] = lines[one].replace(b"# ", b"")
    return b"\n".join(lines)


def swap_words(rng, text):
    words = re.findall(rb"[a-z0-9-]+", text) or [text]
    return text.replace(rng.choice(words), rng.choice(words), rng.choice(
        [1, 1, -1]))


CHANGES = [change_byte, insert_mark, drop_bytes, cut, change_lines,
           change_lines, swap_words]


def mutate(rng, text):
    for _ in range(rng.choice([1, 1, 2, 5])):
        text = rng.choice(CHANGES)(rng, text) or b"\n"
    return text


def plain_of(sample):
    """The sample without its prose, so that changes hit what counts."""
    return b"".join(line for line in sample.splitlines(True)
                    if not re.match(rb"^ *# [A-Z`]", line))


def offence(stage, folder, number, text):
    """What is wrong with how tine takes this text, or None."""
    name = f"m{number}.yaml"
    with open(f"{folder}/{name}", "wb") as f:
        f.write(text)
    try:
        done = subprocess.run(
            [stage.tine, "-t", "-c", name], cwd=folder, timeout=9,
            stdin=subprocess.DEVNULL, capture_output=True, close_fds=False,
            check=False)
    except subprocess.TimeoutExpired:
        return f"{name}: no end"
    lines = done.stderr.decode("ascii").splitlines()
    heads = [x for x in lines
             if x.startswith("tine: ") and not x.startswith("tine: hint: ")]
    if done.returncode not in CODES:
        return f"{name}: exit code {done.returncode}: {lines}"
    if (done.returncode != 0) != bool(
            [x for x in heads if ": warning: " not in x]):
        return f"{name}: exit code {done.returncode} and {lines}"
    wrong = [x for x in heads if not ERROR.match(x)
             and x != "tine: more errors are not shown"]
    if wrong or any("died" in x or "ended" in x for x in heads):
        return f"{name}: {wrong or heads}"
    os.unlink(f"{folder}/{name}")
    return None


@pytest.mark.timeout(600)
def test_no_change_of_the_sample_is_too_much(stage, folder):
    with open(f"{TOP}/conf/tine.yaml", "rb") as f:
        sample = plain_of(f.read())
    rng = random.Random(SEED)
    texts = [mutate(rng, sample) for _ in range(MUTATIONS)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        offences = [x for x in pool.map(
            lambda item: offence(stage, folder, *item), enumerate(texts)) if x]
    assert offences == []
