# SPDX-License-Identifier: BSD-2-Clause
"""pattern.py: the bytes that the client expects of a file; pattern.c says
what they are."""

import array

ODD = 0x9e3779b97f4a7c15
MASK = (1 << 64) - 1
WORD = 8


def pattern(size, base=0):
    """The first `size` bytes of the pattern `base`."""
    words = (size + WORD - 1) // WORD
    return array.array("Q", ((base + i + 1) * ODD & MASK
                             for i in range(words))).tobytes()[:size]
