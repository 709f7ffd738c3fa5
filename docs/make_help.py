"""Writes docs/help.md: what every `calcgpt … --help` shows. With --check it only says whether the file is current.

python docs/make_help.py [--check]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("help.md")
COMMANDS = ("", "recipes", "data", "train", "evaluate", "solve", "explain", "models", "export")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def page() -> str:
    """The whole page, as an 80-column terminal without colours would show it."""
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    parts = ["# Help\n\nWhat each command says of itself, written by `python docs/make_help.py`.\n"]
    for command in COMMANDS:
        words = ["calcgpt", *command.split(), "--help"]
        shown = subprocess.run(
            [sys.executable, "-m", *words],
            check=True,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        lines = [line.rstrip() for line in _COLOUR.sub("", shown.stdout).strip().splitlines()]
        parts.append(f"## {' '.join(words)}\n\n```text\n" + "\n".join(lines) + "\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        sys.exit(0 if current else "docs/help.md is out of date: run python docs/make_help.py")
    PAGE.write_text(page(), encoding="utf-8")
