# SPDX-License-Identifier: BSD-2-Clause
"""libtine as it is installed: what it shows, and programs that are built
with it as their authors do, by pkg-config."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

import net
import procs
import upgrade

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("TINE_BUILD", "build")
OWN = TOP / "tests/handlers/own_main.c"
LISTEN = ("-l", "tcp://127.0.0.1:0", "-n", "2", *upgrade.QUICK)

CPLUSPLUS = r"""
#include <cstdio>
#include <string>
#include <tine.h>

// A name that the server has too, and one that runs before main().
int log_write = 0;
static std::string word = "plus";

static enum tine_action
on_open(struct tine_conn *c)
{
    std::string line = word + " child " +
        std::to_string(tine_generation(tine_child(c))) + "\n";

    return tine_write(c, line.data(), line.size()) == 0 ? TINE_CLOSE
                                                        : TINE_ABORT;
}

TINE_HANDLER(.name = "plus", .open = on_open);

int
main(int argc, char **argv)
{
    return tine_main(argc, argv, &tine_handler);
}
"""


class Installed:
    def __init__(self, root):
        self.root = root
        self.place = root / "opt/tine"
        self.env = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(root),
                        PKG_CONFIG_PATH=str(self.place / "lib/pkgconfig"))

    def flags(self, *options):
        done = subprocess.run(["pkg-config", *options, "tine"], env=self.env,
                              check=True, capture_output=True, text=True)
        return shlex.split(done.stdout)

    def build(self, name, source, flags, compiler=("gcc", "-std=gnu11")):
        """The program, where every user may run it."""
        program = self.root / name
        subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-o",
                        program, source, *flags], check=True)
        return str(program)


@pytest.fixture(scope="module")
def installed(stage):
    root = pathlib.Path(stage.folder())
    subprocess.run(
        ["make", "--no-print-directory", "-o", "all", f"BUILD={BUILD}",
         f"DESTDIR={root}", "PREFIX=/opt/tine", "install"], cwd=TOP,
        check=True, capture_output=True)
    return Installed(root)


def library_path(installed):
    return {"LD_LIBRARY_PATH": str(installed.place / "lib")}


def needed(program):
    said = subprocess.run(["objdump", "-p", program], check=True,
                          capture_output=True, text=True).stdout
    return set(re.findall(r"NEEDED +(\S+)", said))


def greeting(t):
    with t.connect() as s:
        return net.recv_line(s).split()


def upgrades(t, word):
    """An old child may still take what reached it before it heard of that."""
    upgrade.good(t)
    procs.eventually(lambda: greeting(t) == [word, "child", "2"], 10,
                     "only children of generation 2")


def serves_and_upgrades(tine, program, word, **options):
    t = tine(*LISTEN, program=program, **options)
    assert greeting(t) == [word, "child", "1"]
    upgrades(t, word)
    t.stop()


@pytest.mark.parametrize("name, options", [
    ("libtine.so", ["-D"]), ("libtine.a", ["-g"])])
def test_only_names_of_tine_are_visible(installed, name, options):
    said = subprocess.run(
        ["nm", *options, "--defined-only", installed.place / "lib" / name],
        check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1] for line in said.splitlines() if " " in line}
    header = (TOP / "shared/public/tine.h").read_text()
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    declared = set(re.findall(r"\b(tine_\w+)\(", code))
    assert names == declared


def test_the_shared_library_has_the_abi_in_its_name(installed):
    said = subprocess.run(["objdump", "-p", installed.place / "lib/libtine.so"],
                          check=True, capture_output=True, text=True).stdout
    abi = re.search(r"^#define TINE_ABI (\d+)$",
                    (TOP / "shared/public/tine.h").read_text(), re.M)[1]
    assert re.search(rf"SONAME +libtine\.so\.{abi}$", said, re.M)
    link = installed.place / "lib/libtine.so"
    assert os.readlink(link) == f"libtine.so.{abi}"


def test_pkg_config_tells_the_version_and_where_things_are(installed):
    version = subprocess.run([installed.place / "bin/tine", "-v"], check=True,
                             capture_output=True, text=True).stdout
    assert version == f"tine {installed.flags('--modversion')[0]}\n"
    assert installed.flags("--cflags") == [f"-I{installed.place}/include"]
    assert installed.flags("--libs") == [f"-L{installed.place}/lib", "-ltine"]


def test_a_program_in_c_with_the_shared_library(installed, tine):
    program = installed.build("shared", OWN,
                              installed.flags("--cflags", "--libs"))
    assert needed(program) == {"libtine.so.1", "libc.so.6"}
    serves_and_upgrades(tine, program, "hello", env=library_path(installed))


def test_a_program_in_c_with_the_server_in_it(installed, tine, stage):
    flags = [re.sub("^-ltine$", "-l:libtine.a", flag) for flag in
             installed.flags("--static", "--cflags", "--libs")]
    program = installed.build("whole", OWN, flags)
    assert "libtine.so.1" not in needed(program)
    serves_and_upgrades(tine, program, "hello")
    # Loaded handlers find what they call.
    t = tine(*LISTEN, stage.handler("whoami"), program=program)
    assert len(greeting(t)) == 5


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_program_in_cplusplus(installed, tine, compiler):
    source = installed.root / "plus.cc"
    source.write_text(CPLUSPLUS)
    program = installed.build(
        f"plus-{compiler}", source, installed.flags("--cflags", "--libs"),
        (compiler, "-std=c++20"))
    serves_and_upgrades(tine, program, "plus", env=library_path(installed))


def test_a_handler_to_load_needs_the_cflags_only(installed, tine):
    handler = installed.build("own.so", OWN, [
        "-shared", "-fPIC", *installed.flags("--cflags")])
    t = tine(*LISTEN, handler)
    assert greeting(t) == ["hello", "child", "1"]


def test_a_program_of_an_older_library_runs_with_a_newer_one(installed, tine):
    """The library was replaced by an update: the program was not."""
    program = installed.build("updated", OWN,
                              installed.flags("--cflags", "--libs"))
    other = installed.root / "lib"
    other.mkdir()
    shutil.copy(installed.place / "lib/libtine.so.1", other)
    t = tine(*LISTEN, program=program, env={"LD_LIBRARY_PATH": str(other)})
    upgrade.put(str(other / "libtine.so.1"), str(other / "libtine.so.1"))
    upgrades(t, "hello")
