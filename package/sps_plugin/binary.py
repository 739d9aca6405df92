"""Where the binary is, and how it stays executable."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from .failure import Failure

FOLDER = Path(__file__).resolve().parent.parent
NAME = "sps-plugin"
# The digest of the binary that belongs to this package, in hexadecimal; a copy is named after it.
DIGEST = "sps-plugin.sha256"
STATE = "SCB_PLUGIN_STATE_DIRECTORY"


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
    return str(_private_copy(binary))


def _private_copy(binary: Path) -> Path:
    state = os.environ.get(STATE)
    if not state:
        raise Failure(f"{binary} is not executable, and there is no {STATE} to copy it to")
    Path(state).mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(state, "bin")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_ours(folder, stat.S_ISDIR):
        raise Failure(f"{folder} is no folder that only this user may write; remove it")
    digest = binary.with_name(DIGEST).read_text(encoding="ascii").strip()
    copy = folder / f"{NAME}-{digest[:16]}"
    if not (_is_ours(copy, stat.S_ISREG) and copy.stat().st_size == binary.stat().st_size):
        _copy(binary, digest, copy)
    if not os.access(copy, os.X_OK):
        raise Failure(f"neither {binary} nor {copy} is where programs may be started")
    return copy


def _is_ours(path: Path, kind: object) -> bool:
    """Say whether a path is of that kind, ours, and no one else may write there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    assert callable(kind)
    return kind(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _copy(binary: Path, digest: str, copy: Path) -> None:
    """Copy the binary so that nobody sees half of it, and remove other versions."""
    content = binary.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise Failure(f"{binary} is not the one that {DIGEST} says; upload the package again")
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
    for other in copy.parent.glob(f"{NAME}-*"):
        if other != copy:
            with contextlib.suppress(OSError):
                other.unlink()
