"""What every answer says, whatever wrote it."""

from __future__ import annotations

from typing import Any


def refusal(text: str, reason: str | None) -> dict[str, Any]:
    """The result of a problem that cannot be asked, for a reason."""
    return {
        "problem": text,
        "answer": None,
        "is_correct": False,
        "confidence": 0.0,
        "in_distribution": False,
        "inference_time": 0.0,
        "full_result": text,
        "completion": "",
        "error": reason,
    }
