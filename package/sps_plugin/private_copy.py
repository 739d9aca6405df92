"""A private copy of the binary, for where it cannot be started from the package's own folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from .binary import digest_of
from .failure import Failure

STATE = "SCB_PLUGIN_STATE_DIRECTORY"


def private_copy(binary: Path, digest: str) -> Path:
    """Give the copy in the state directory, made where it is not there yet, or is another."""
    state = os.environ.get(STATE)
    if not state:
        raise Failure(f"{binary} is not executable, and there is no {STATE} to copy it to")
    Path(state).mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(state, "bin")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_ours(folder, stat.S_ISDIR):
        raise Failure(f"{folder} is no folder that only this user may write; remove it")
    copy = folder / f"{binary.name}-{digest[:16]}"
    if not (_is_ours(copy, stat.S_ISREG) and digest_of(copy) == digest):
        _copy(binary, digest, copy)
    if not os.access(copy, os.X_OK):
        raise Failure(f"neither {binary} nor {copy} is where programs may be started")
    return copy


def _is_ours(path: Path, kind: Callable[[int], bool]) -> bool:
    """Say whether a path is of that kind, ours, and no one else may write there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return kind(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _copy(binary: Path, digest: str, copy: Path) -> None:
    """Copy the binary so that nobody sees half of it, and remove other versions."""
    content = binary.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise Failure(f"{binary} was replaced meanwhile; upload the package again")
    handle, name = tempfile.mkstemp(dir=str(copy.parent), prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o700)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(copy)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    for other in copy.parent.glob(f"{binary.name}-*"):
        if other != copy:
            with contextlib.suppress(OSError):
                other.unlink()
