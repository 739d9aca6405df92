"""Where the binary is, and how it stays executable."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .failure import Failure

FOLDER = Path(__file__).resolve().parent.parent
NAME = "sps-plugin"


def executable() -> str:
    """Give the path of the binary that can be started.

    Whoever unpacks a ZIP may lose the mode of what is in it, and may put it where nothing is
    executable. Then the mode is set, and where that cannot be, a private copy in the state
    directory is used.
    """
    binary = FOLDER / NAME
    if os.access(binary, os.X_OK):
        return str(binary)
    if not binary.is_file():
        raise Failure(f"there is no {binary}; upload the package again")
    with contextlib.suppress(OSError):
        binary.chmod(0o755)
    if os.access(binary, os.X_OK):
        return str(binary)
    # Rarely needed, and slow to import.
    from .private_copy import private_copy

    return str(private_copy(binary))
