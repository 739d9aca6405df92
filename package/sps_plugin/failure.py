"""What may go wrong on the way to the binary, and where it is told."""

from __future__ import annotations

import sys


class Failure(Exception):
    """The binary gave no usable answer. The text is for the log, and holds no value."""


def log(level: str, message: str) -> None:
    """Write one line where the binary's own lines go."""
    # What a directory says must not forge a second line.
    line = "".join(sign if sign.isprintable() else "?" for sign in message)
    print(f"sps-plugin: {level}: main.py: {line}", file=sys.stderr, flush=True)
