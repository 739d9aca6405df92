"""Puts the two packages together. Called by scripts/package.

Each is a ZIP with everything in a fixed order, with fixed times and modes, so that the same parts
give the same bytes.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from default_cfg import default_cfg
from licences import third_party

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "package"
# What a ZIP can hold: two seconds are its unit. Python takes a cached module for that of a file
# with the same size and time; so the time is fixed by the content, and differs between versions.
FIRST = datetime.datetime(1980, 1, 1)
UNITS = 30 * 365 * 24 * 60 * 30
REGULAR_FILE = 0o100000
UNIX = 3
# What SPS takes, in bytes.
MOST = 20_000_000
# The hooks and services that are used are in the SDK since this version; an SPS with an older one
# refuses the package, instead of failing in every hook.
API = "1.7"


@dataclass(frozen=True)
class Kind:
    """One of the two packages."""

    type: str
    name: str
    description: str


KINDS = [
    Kind(
        "aa",
        "SPS_Plugin_AA",
        "Second factors: local tokens, and the servers that people already run",
    ),
    Kind(
        "credentialstore",
        "SPS_Plugin_Credentials",
        "Credentials for the target, from where they are kept",
    ),
]


def main() -> int:
    """Write both packages, and say what they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--target", required=True, help="what the binary was built for")
    parser.add_argument("--zig", type=Path, required=True, help="the folder of ziglang")
    parser.add_argument("--manuals", type=Path, required=True, help="man pages and completions")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    version = _version()
    licences = third_party(ROOT, options.target, options.zig)
    common = _common(options.binary.read_bytes(), licences, options.manuals)
    for kind in KINDS:
        path = options.out / f"{kind.name}-{version}.zip"
        _write(path, {**common, **_own(kind, version)})
        size = path.stat().st_size
        if size >= MOST:
            raise SystemExit(f"{path} has {size} bytes, and SPS takes less than {MOST}")
        print(f"{path}: {size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return 0


def _version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("Cargo.toml has no version")
    return found[1]


def _common(binary: bytes, licences: str, manuals: Path) -> dict[str, bytes]:
    """Give what is in both packages."""
    mine = [
        (ROOT / name).read_text("utf-8") for name in ("LICENSE", "LICENSE-MIT", "LICENSE-APACHE")
    ]
    digest = hashlib.sha256(binary).hexdigest()
    parts = {
        "CHANGELOG": (ROOT / "CHANGELOG.md").read_bytes(),
        "LICENSE.txt": "\n\n".join(mine).encode(),
        "README": (PACKAGE / "README").read_bytes(),
        "sps-plugin": binary,
        "sps-plugin.sha256": f"{digest}\n".encode(),
        "third-party-licences.txt": licences.encode(),
    }
    for module in (PACKAGE / "sps_plugin").glob("*.py"):
        parts[f"sps_plugin/{module.name}"] = module.read_bytes()
    for manual in filter(Path.is_file, manuals.rglob("*")):
        parts[manual.relative_to(manuals).as_posix()] = manual.read_bytes()
    return parts


def _own(kind: Kind, version: str) -> dict[str, bytes]:
    """Give what only this package has."""
    manifest = (
        f"name: {kind.name}\n"
        f'version: "{version}"\n'
        f"type: {kind.type}\n"
        f'api: "{API}"\n'
        f"entry_point: main.py\n"
        f'description: "{kind.description}"\n'
    )
    example = (ROOT / "plugin.ini.example").read_text("utf-8")
    return {
        "MANIFEST": manifest.encode(),
        "default.cfg": default_cfg(example, kind.type).encode(),
        "main.py": (PACKAGE / kind.type / "main.py").read_bytes(),
    }


def _write(path: Path, parts: dict[str, bytes]) -> None:
    time = _time(parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for name, content in sorted(parts.items()):
            info = zipfile.ZipInfo(name, time)
            info.create_system = UNIX
            mode = 0o755 if name in ("main.py", "sps-plugin") else 0o644
            info.external_attr = (REGULAR_FILE | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(info, content, compresslevel=9)


def _time(parts: dict[str, bytes]) -> tuple[int, int, int, int, int, int]:
    digest = hashlib.sha256(b"".join(content for _, content in sorted(parts.items()))).digest()
    units = int.from_bytes(digest[:8], "big") % UNITS
    when = FIRST + datetime.timedelta(seconds=2 * units)
    return when.year, when.month, when.day, when.hour, when.minute, when.second


if __name__ == "__main__":
    sys.exit(main())
