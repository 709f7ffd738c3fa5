"""What every answer says, whatever wrote it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calcgpt.errors import ConfigError, shown_value

Progress = Callable[[int, int], None]
Result = dict[str, Any]
CUT = "cut off: "  # how the error of a result begins that a limit of the caller ended
NOT_FINITE = (
    "the model's probabilities are not finite: its training diverged; train it again, with a lower learning rate"
)


def refusal(text: str, reason: str | None) -> Result:
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


def was_cut(result: Result) -> bool:
    """Whether `max_tokens` or `timeout` ended this problem, or kept it from being begun; all else that has an `error`
    was refused by the model."""
    return result["error"] is not None and result["error"].startswith(CUT)


def needs_too_many(tokens: int, most: int) -> str:
    """The error of a problem that is not begun, because it is known to end later."""
    return f"{CUT}the work and the answer take {tokens:,} tokens, and max_tokens is {most:,}"


def out_of_tokens(most: int) -> str:
    """The error of a problem that had not ended after so many tokens."""
    return f"{CUT}no end after {most:,} tokens (max_tokens)"


def out_of_time(seconds: float | None, written: int, expected: int | None = None) -> str:
    """The error of a problem that the timeout ended."""
    of = "" if expected is None else f" of {expected:,}"
    return f"{CUT}{seconds:g} s were over (timeout), with {written:,}{of} tokens written"


def check_max_tokens(most: int | None) -> None:
    """Raises ConfigError unless it is a positive whole number, or None."""
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise ConfigError(f"max_tokens must be a whole number of at least 1, not {shown_value(most)}")


def spoil(result: Result, error: str) -> None:
    """Make it the result of a problem that has no answer, for a reason; what was written stays."""
    result.update(answer=None, is_correct=False, confidence=0.0, error=error)
    result["full_result"] = f"{result['problem']}={result['completion']}"
