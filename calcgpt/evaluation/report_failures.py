"""Wrong answers as a page shows them: beside the right ones, place under place, the first wrong digit marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calcgpt.evaluation.report_html import code, text
from calcgpt.evaluation.report_text import Report, place_text, probability_text, shorten_middle, shorten_numbers
from calcgpt.runtime.figures import NOTHING, percent_text

Failure = Mapping[str, Any]
LOW = 0.9  # a token that the model gave less than this is marked
_WHOLE = 36  # digits; a longer number is shortened
_AROUND = 8  # digits shown on each side of the first wrong one, and at both ends
_TOKENS = 48  # shown of a completion
_COMPLETION = 80  # characters shown of one
_MISSING = "·"  # where one number has a digit and the other none


def failures_section(report: Report, most: int, level: int = 3) -> str:
    """The worst of a report's failures, and where the others are; nothing where all is right."""
    wrong = report["problems"] - report["right"]
    if not wrong:
        return ""
    shown = report["wrong"][:most]
    said = f"{len(shown):,} of {wrong:,}; those of which the model was most sure come first."
    said += f" All are in {code(report['failures_file'])}." if report.get("failures_file") else ""
    articles = "\n".join(map(failure_article, shown))
    return (
        f'<h{level}>Wrong answers</h{level}>\n<p class="soft">{said} The first wrong digit, counted from the units, is '
        f"marked; so are tokens that the model gave less than {LOW:.0%}.</p>\n"
        f'<div class="failures">\n{articles}\n</div>'
    )


def failure_article(failure: Failure) -> str:
    """One failure."""
    problem = shorten_middle(shorten_numbers(str(failure["problem"])), 200)
    said: list[str] = []
    answer, solution = failure.get("answer"), str(failure["solution"])
    if answer is None:
        shown = _row("right answer", text(shorten_numbers(solution, _WHOLE)))
        refused = failure.get("error")
        said.append(f"Refused: {text(refused)}." if refused else "No answer could be read.")
    else:
        right, wrong = aligned(solution, str(answer), failure.get("first_wrong"))
        shown = _row("right answer", right) + _row("the model’s", wrong)
        said.append(_where(str(answer), solution, failure.get("first_wrong")))
    said += _circumstances(failure)
    completion = failure.get("completion")
    written = (
        "" if completion is None else f'<p class="soft">Written: {code(shorten_middle(completion, _COMPLETION))}</p>'
    )
    return (
        f'<article><p class="problem">{code(problem)}</p>\n'
        f'<div class="scroll"><table class="digits"><tbody>{shown}</tbody></table></div>\n'
        f"<p>{' '.join(said)}</p>{written}{token_list(failure.get('tokens') or [])}</article>"
    )


def _row(title: str, number: str) -> str:
    return f'<tr><th scope="row">{title}</th><td class="number">{number}</td></tr>'


def _where(answer: str, solution: str, place: int | None) -> str:
    if place is None:
        return "The sign is wrong." if answer.lstrip("-") == solution.lstrip("-") else ""
    longest = max(len(answer), len(solution))
    long = f" The solution has {len(solution):,} digits." if longest > _WHOLE else ""
    return f"First wrong digit: {place_text(place)} (place {place:,}).{long}"


def _circumstances(failure: Failure) -> Iterator[str]:
    if failure.get("confidence") is not None:
        yield f"Confidence {percent_text(failure['confidence'])}."
    if failure.get("trained_on") is not None:
        yield "It was trained on this problem." if failure["trained_on"] else "Never seen in training."
    if failure.get("case"):
        yield f"Case: {code(shorten_middle(failure['case'], 60))}."


def aligned(solution: str, answer: str, place: int | None) -> tuple[str, str]:
    """Both numbers as text of a page, place under place, the digit at `place` from the units marked in each.

    Where one is long, both are shortened at the same places: their ends and what is around the mark stay.
    """
    width = max(len(solution), len(answer))
    kept = set(range(width))
    if width > _WHOLE:
        middle = range(place - _AROUND, place + _AROUND + 1) if place is not None else ()
        kept = {*range(_AROUND), *range(width - _AROUND, width), *middle} & kept
    return _digits(solution, width, kept, place, "right"), _digits(answer, width, kept, place, "wrong")


def _digits(number: str, width: int, kept: set[int], place: int | None, kind: str) -> str:
    parts = []
    for at in reversed(range(width)):
        digit = number[-1 - at] if at < len(number) else ""
        if at == place:
            parts.append(f'<mark class="{kind}">{text(digit or _MISSING)}</mark>')
        elif at in kept:
            parts.append(text(digit or " "))
        elif at + 1 in kept:  # a gap begins
            parts.append("…" if digit else " ")
    return "".join(parts)


def token_list(tokens: Sequence[Mapping[str, Any]]) -> str:
    """Tokens with their probabilities, low ones marked; of many, those around the least probable."""
    if not tokens:
        return ""
    least = min(range(len(tokens)), key=lambda index: tokens[index]["probability"])
    start = max(0, min(least - _TOKENS // 2, len(tokens) - _TOKENS))
    end = start + _TOKENS
    items = [_gap(start)] if start else []
    items += [_token(token["token"], token["probability"]) for token in tokens[start:end]]
    items += [_gap(len(tokens) - end)] if len(tokens) > end else []
    return f'<ol class="tokens" aria-label="tokens with probabilities">{"".join(items)}</ol>'


def _gap(count: int) -> str:
    return f'<li class="gap">… {count:,} more …</li>'


def _token(token: str, probability: float | None) -> str:
    shown = {"": "∅", " ": "␣"}.get(token, token)
    low = ' class="low"' if probability is not None and probability < LOW else ""
    figure = NOTHING if probability is None else probability_text(probability)
    return f"<li{low}>{text(shown)}<span>{figure}</span></li>"
