# SPDX-License-Identifier: BSD-2-Clause
"""stage.py: a folder that everybody may read, with copies of the programs and
handlers under test: children of a tine that root started run as nobody, and
the source tree may be closed to them."""

import os
import shutil
import tempfile


class Stage:
    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.root = tempfile.mkdtemp(prefix="tine-test-", dir="/tmp")
        os.chmod(self.root, 0o755)
        self.tine = self._take("tine")
        self.tinectl = self._take("tinectl")
        self._count = 0

    def _take(self, name):
        """A copy of build/NAME, made once."""
        source = os.path.join(self.build, name)
        target = os.path.join(self.root, "bin", name)
        if not os.path.exists(target):
            if not os.path.exists(source):
                raise FileNotFoundError(
                    f"{source} is missing: make tests BUILD={self.build}")
            os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
            shutil.copy(source, target)
            os.chmod(target, 0o755)
        return target

    def handler(self, name):
        """The path of a faulty handler, or of a tests' own."""
        return self._take(f"tests/handlers/{name}.so")

    def example(self, name):
        return self._take(f"examples/{name}.so")

    def program(self, name):
        """The path of a handler's own program."""
        return self._take(name)

    def tool(self, name):
        return self._take(f"tests/lib/{name}")

    def folder(self):
        """A fresh folder, mode 0755."""
        self._count += 1
        path = os.path.join(self.root, f"f{self._count}")
        os.mkdir(path, 0o755)
        os.chmod(path, 0o755)
        return path

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)
