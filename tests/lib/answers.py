# SPDX-License-Identifier: BSD-2-Clause
"""answers.py: a control socket on which a test, and no server, answers: what
tinectl says, and what it does with any answer."""

import contextlib
import os
import socket
import threading


@contextlib.contextmanager
def control_socket(path, answer):
    """answer(line) is what is sent for a line; None: nothing, and the line is
    held until the end. Gives the list of lines that came."""
    lines, held = [], []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            line = s.makefile().readline().rstrip("\n")
            lines.append(line)
            text = answer(line)
            if text is None:
                held.append(s)
                continue
            s.sendall(text.encode())
            s.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield lines
    finally:
        # close() alone does not wake accept().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        os.unlink(path)
        for s in held:
            s.close()
