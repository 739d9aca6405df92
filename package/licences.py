"""Collects the licences of everything that is linked into the binary, each text once and whole."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
RULE = "=" * 100
# What is linked in besides crates, and where in the folder of ziglang its licence is.
OF_ZIG = {
    "libunwind of LLVM": "lib/libunwind/LICENSE.TXT",
    "start files and compiler_rt of zig": "LICENSE",
    "start files of glibc, under the exception that lets every program link them": (
        "lib/libc/glibc/LICENSES"
    ),
}
SQLITE = "SQLite is in the public domain: https://sqlite.org/copyright.html"


def third_party(root: Path, target: str, zig: Path) -> str:
    """Give the text of third-party-licences.txt; a crate without a licence text is an error."""
    holders: dict[str, list[str]] = {}
    index: list[str] = []
    for crate in _crates(root, target):
        name = f"{crate['name']} {crate['version']}"
        index.append(f"{name}: {crate['license']}")
        folder = Path(crate["manifest_path"]).parent
        texts = [path.read_text("utf-8").strip() for path in _texts(folder)]
        if not texts:
            raise SystemExit(f"{name} has no licence text in {folder}")
        for text in texts:
            holders.setdefault(text, []).append(name)
    rust = _output("rustc", "--version").strip()
    index += [f"{rust}, standard library: MIT OR Apache-2.0", SQLITE]
    for what, path in OF_ZIG.items():
        index.append(f"{what}: its text is below")
        holders.setdefault((zig / path).read_text("utf-8").strip(), []).append(what)
    licences = Path(_output("rustc", "--print", "sysroot").strip(), "share/doc/rust/licenses")
    for name in ("MIT.txt", "Apache-2.0.txt", "LLVM-exception.txt"):
        text = (licences / name).read_text("utf-8").strip()
        holders.setdefault(text, []).append("the standard library of Rust")
    parts = ["What the binary sps-plugin is made of, and under which licences.", "", *index]
    for text, names in sorted(holders.items(), key=lambda item: item[1]):
        parts += ["", RULE, *dict.fromkeys(names), RULE, "", text]
    return "\n".join(parts) + "\n"


def _crates(root: Path, target: str) -> list[dict[str, Any]]:
    """List the crates that are linked: neither for builds and tests only, nor for the compiler."""
    command = ("cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}")
    metadata = json.loads(_output(*command, cwd=root))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    own = next(key for key, package in packages.items() if package["name"] == "sps-plugin")
    seen = {own}
    todo = [own]
    while todo:
        for edge in nodes[todo.pop()]["deps"]:
            package = packages[edge["pkg"]]
            linked = any(kind["kind"] is None for kind in edge["dep_kinds"])
            kinds = {kind for one in package["targets"] for kind in one["kind"]}
            if linked and "proc-macro" not in kinds and edge["pkg"] not in seen:
                seen.add(edge["pkg"])
                todo.append(edge["pkg"])
    crates = [packages[key] for key in seen - {own}]
    return sorted(crates, key=lambda crate: (crate["name"], crate["version"]))


def _texts(folder: Path) -> list[Path]:
    """Find the texts of a crate, those of what it has taken from others included."""
    found = (path for path in folder.rglob("*") if path.name.upper().startswith(NAMES))
    return sorted(path for path in found if path.is_file() and path.suffix != ".rs")


def _output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout
