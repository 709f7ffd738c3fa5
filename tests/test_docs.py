"""The documentation says what the program does: help pages, the README's module list, doctests of notations."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_help_page_is_current() -> None:
    found = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_help.py"), "--check"], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr


def test_the_readme_names_every_module() -> None:
    listed = set(re.findall(r"([a-z_]+\.py)\b", (ROOT / "README.md").read_text(encoding="utf-8")))
    folders = [
        path for path in (ROOT / "calcgpt").iterdir() if path.is_dir() and path.name not in ("cli", "__pycache__")
    ]
    modules = {path.name for folder in folders for path in folder.glob("*.py")} - {"__init__.py"}
    assert modules - listed == set()


@pytest.mark.parametrize("name", ["calcgpt.arithmetic.notation"])
def test_worked_examples(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted and not results.failed


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
