"""Makes default.cfg of plugin.ini.example: the sections that one type of plugin reads."""

from __future__ import annotations

import re

READ_BY = "# Read by: "
SECTION = re.compile(r"^\[.+\]$")


def default_cfg(example: str, plugin_type: str) -> str:
    """Keep the introduction, and each section whose line `# Read by:` names the type."""
    head, *sections = _parts(example)
    kept = [head]
    for section in sections:
        stated = [line for line in section if line.startswith(READ_BY)]
        if len(stated) != 1:
            raise SystemExit(f"{section[0]} in plugin.ini.example needs one line {READ_BY!r}")
        if plugin_type in stated[0][len(READ_BY) :].split(", "):
            kept.append(section)
    return "\n".join(line for part in kept for line in part).rstrip("\n") + "\n"


def _parts(text: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if SECTION.match(line):
            parts.append([])
        parts[-1].append(line)
    return parts
