"""Names of a module that are imported when they are first asked for: the command's help must not wait for torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(module: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module whose names are defined elsewhere.

    Args:
        module: its `__name__`.
        homes: for each name the module that defines it.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        found = getattr(import_module(homes[name]), name)
        setattr(sys.modules[module], name, found)  # asked for once
        return found

    def names() -> list[str]:
        return sorted(sys.modules[module].__all__)

    return get, names
