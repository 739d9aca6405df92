"""Where the binary is, that it is the package's own, and how it stays executable."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from .failure import Failure

FOLDER = Path(__file__).resolve().parent.parent
NAME = "sps-plugin"
# The digest of the binary that belongs to this package, in hexadecimal; a private copy is named
# after it.
DIGEST = "sps-plugin.sha256"


def executable() -> str:
    """Give the path of the binary that can be started, and is the one of this package.

    Whoever unpacks a ZIP may lose the mode of what is in it, and may put it where nothing is
    executable. Then the mode is set, and where that cannot be, a private copy in the state
    directory is used.
    """
    binary = FOLDER / NAME
    digest = _checked(binary)
    if os.access(binary, os.X_OK):
        return str(binary)
    with contextlib.suppress(OSError):
        binary.chmod(0o755)
    if os.access(binary, os.X_OK):
        return str(binary)
    # Rarely needed, and slow to import.
    from .private_copy import private_copy

    return str(private_copy(binary, digest))


def _checked(binary: Path) -> str:
    """Give the digest of the binary, which has to be the one that the package says."""
    if not binary.is_file():
        raise Failure(f"there is no {binary}; upload the package again")
    try:
        wanted = binary.with_name(DIGEST).read_text(encoding="ascii").strip()
    except OSError:
        raise Failure(f"there is no {DIGEST} beside {binary}; upload the package again") from None
    if digest_of(binary) != wanted:
        raise Failure(f"{binary} is not the one that {DIGEST} says; upload the package again")
    return wanted


def digest_of(path: Path) -> str:
    """Give the digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()
