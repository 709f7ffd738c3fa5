"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from calcgpt.runtime import memory
from calcgpt.runtime.memory import free_memory


def test_there_is_some() -> None:
    free = free_memory()
    assert free is None or 2**20 < free < 2**50


def test_a_container_has_what_its_limit_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert free_memory() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() != 3000
    monkeypatch.setattr(memory, "_system", lambda: None)
    assert free_memory() is None
