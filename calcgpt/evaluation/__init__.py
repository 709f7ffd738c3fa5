"""What a model can and cannot compute: suites, counts, reports, and a look inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcgpt.runtime.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
