"""Names that are imported when they are first asked for."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from calcgpt.runtime.lazy import lazy_names


def test_a_name_is_found_once_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("names")
    monkeypatch.setitem(sys.modules, "names", module)
    module.__all__ = ["OrderedDict", "deque"]  # type: ignore[attr-defined]
    module.__getattr__, module.__dir__ = lazy_names(  # type: ignore[method-assign]
        "names", dict.fromkeys(module.__all__, "collections")
    )
    import collections

    assert "deque" not in vars(module) and module.deque is collections.deque and "deque" in vars(module)
    assert dir(module) == ["OrderedDict", "deque"]
    with pytest.raises(AttributeError, match="module 'names' has no attribute 'dequeue'"):
        _ = module.dequeue
