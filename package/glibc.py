"""Lists the versions of glibc symbols that a binary needs, and fails where one is too new."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

# What every Linux with glibc has. A library beyond these would have to be in the package.
LIBRARIES = {
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
}


def main() -> int:
    """Check one binary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", default="2.31", help="the newest version that is fine")
    parser.add_argument("binary", type=Path)
    options = parser.parse_args()
    versions, libraries = needed(options.binary)
    names = ", ".join(".".join(map(str, version)) for version in versions)
    print(f"{options.binary.name} needs symbols of glibc {names}")
    most = tuple(int(part) for part in options.most.split("."))
    fine = True
    for version in versions:
        if version > most:
            fine = False
            print(
                f"glibc {'.'.join(map(str, version))} is newer than {options.most}", file=sys.stderr
            )
    for library in sorted(libraries - LIBRARIES):
        fine = False
        print(f"{library} is no library that every appliance has", file=sys.stderr)
    if not versions:
        fine = False
        print("no symbol of glibc is needed, which cannot be", file=sys.stderr)
    return 0 if fine else 1


def needed(binary: Path) -> tuple[list[tuple[int, ...]], set[str]]:
    """Read the versions in ascending order, and the libraries, from the dynamic section."""
    read = ["readelf", "--wide", "--version-info", "--dynamic", str(binary)]
    text = subprocess.run(read, check=True, capture_output=True, text=True).stdout
    found = {tuple(map(int, v.split("."))) for v in re.findall(r"Name: GLIBC_([0-9.]+)", text)}
    return sorted(found), set(re.findall(r"\(NEEDED\).*\[(.+)\]", text))


if __name__ == "__main__":
    sys.exit(main())
