"""What a model can and cannot compute: suites, counts, reports, and a look inside."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcgpt.evaluation.judging import evaluate
    from calcgpt.evaluation.suites import Part, Suite, load_suite

_HOMES = {
    "Part": "calcgpt.evaluation.suites",
    "Suite": "calcgpt.evaluation.suites",
    "evaluate": "calcgpt.evaluation.judging",
    "load_suite": "calcgpt.evaluation.suites",
}
__all__ = ["Part", "Suite", "evaluate", "load_suite"]


def __getattr__(name: str) -> Any:  # imported when asked for, as in the package itself
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'calcgpt.evaluation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
