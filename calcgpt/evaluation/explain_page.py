"""An explanation as one page of HTML: probabilities as bars, attention as heat maps, nothing to load and no script.

Colours are one hue from light to dark, and every cell of weight has its number, so that neither colour vision nor a
colour printer is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from calcgpt.evaluation.explain import Explanation, WrittenToken
from calcgpt.evaluation.roles import place_name
from calcgpt.runtime.figures import percent_text

_ALL = 24  # tokens up to which a heat map shows each, looked at or not
_WEIGHT = 0.02  # above that many tokens, those are shown that some head gives so much
_NUMBER = 0.01  # from this weight on a cell says its number
_LIGHT, _DARK = (255, 255, 255), (8, 48, 107)
_BAR, _ROW = 220, 22  # of a bar, in pixels

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 0 auto;
  padding: 1rem; }
h1 { font-size: 1.7rem; margin: .3rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .4rem; }
h2 b { font-size: 1.7rem; font-family: ui-monospace, monospace; margin-right: .4rem; }
p { margin: .3rem 0; max-width: 48rem; }
section { border-top: 1px solid #bbb; padding: .9rem 0; break-inside: avoid; }
.tokens { display: flex; flex-wrap: wrap; gap: .25rem; margin: .4rem 0 .8rem; }
.token { font: 1.05rem ui-monospace, monospace; border: 1px solid #999; border-radius: .25rem; padding: .1rem .45rem;
  color: inherit; text-decoration: none; }
.answer { border: 2px solid #08306b; font-weight: 700; }
.wrong { text-decoration: underline wavy; }
.note, .head { color: #444; font-size: .88rem; }
.scroll { overflow-x: auto; margin-top: .6rem; }
table { border-collapse: collapse; font-size: .8rem; }
th { font-weight: 400; text-align: left; vertical-align: bottom; padding: .1rem .3rem; }
thead th { text-align: center; }
thead .text { display: block; font: 700 1.05rem ui-monospace, monospace; }
thead .meaning { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block; color: #444;
  max-height: 17rem; line-height: 1.1; padding-top: .2rem; }
tbody th { white-space: nowrap; color: #444; position: sticky; left: 0; background: #fff; }
td { width: 2.4rem; min-width: 2.4rem; height: 1.7rem; text-align: center; border: 1px solid #ddd;
  font-variant-numeric: tabular-nums; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
svg { display: block; max-width: 100%; height: auto; }
svg text { font: 13px ui-monospace, monospace; fill: #1a1a1a; }
.scale { display: flex; align-items: center; gap: .5rem; }
.scale i { width: 8rem; height: .9rem; border: 1px solid #999; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
@media print { body { max-width: none; padding: 0; } .scroll { overflow: visible; } tbody th { position: static; } }
"""


def page(explanation: Explanation, model: str, every: bool = False) -> str:
    """The page.

    Args:
        explanation: what to show.
        model: its name, for people.
        every: show every written token, not the answer's alone.

    Returns:
        A whole document that refers to nothing outside itself.
    """
    own = shown_tokens(explanation, every)
    title = escape(f"{explanation.problem} = {explanation.answer or '?'}")
    stops = ", ".join(_colour(step / 8) for step in range(9))
    sections = "\n".join(_section(explanation, index) for index in own)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{escape(model)} says so with a confidence of {percent_text(explanation.confidence)}. {_verdict(explanation)}</p>
{_tokens(explanation, own)}
<p class="note">Each digit below has the probability that the model gave to it and to its rivals, and for every
attention head the share of its attention that each token before the digit got. Attention says where a head looked,
not what it made of it.</p>
<p class="note scale">0% <i style="background: linear-gradient(to right, {stops})"></i> 100% of a
head's attention</p>
</header>
{sections}
</body>
</html>
"""


def shown_tokens(explanation: Explanation, every: bool) -> list[int]:
    """The written tokens that are shown: the answer's, or all where that is asked for or there is no answer."""
    return (
        list(range(len(explanation.written))) if every else explanation.answer_tokens or shown_tokens(explanation, True)
    )


def title_of(token: WrittenToken) -> str:
    """Which digit of the answer a token is, or else what it is for."""
    if token.places:
        return " and ".join(place_name(place) for place in token.places)
    return token.meaning


def _verdict(explanation: Explanation) -> str:
    if explanation.is_correct:
        return "That is right."
    wrote = "" if explanation.answer is not None else " What it wrote is no number."
    return f"That is wrong: it is {escape(explanation.solution)}.{wrote}"


def _tokens(explanation: Explanation, own: list[int]) -> str:
    prompt = "".join(
        f'<span class="token" title="{escape(token.meaning)}">{escape(token.text)}</span>'
        for token in explanation.prompt
    )
    written = "".join(_chip(token, index, index in own) for index, token in enumerate(explanation.written))
    return f"""<p class="head">The model reads</p><div class="tokens">{prompt}</div>
<p class="head">and writes, from left to right (framed: the answer is read from these)</p>
<div class="tokens">{written}</div>"""


def _chip(token: WrittenToken, index: int, linked: bool) -> str:
    kind = "token" + " answer" * token.in_answer + " wrong" * (not token.is_right)
    inside = f'class="{kind}" title="{escape(token.meaning)}"'
    text = escape(token.text)
    return f'<a href="#token-{index}" {inside}>{text}</a>' if linked else f"<span {inside}>{text}</span>"


def _section(explanation: Explanation, index: int) -> str:
    token = explanation.written[index]
    wrong = "" if token.is_right else f" (wrong: it is {escape(token.expected or '')})"
    return f"""<section id="token-{index}">
<h2><b>{escape(token.text)}</b>{escape(title_of(token))}{wrong}</h2>
{_bars(token)}
<div class="scroll">{_heat_map(explanation, index)}</div>
</section>"""


def _bars(token: WrittenToken) -> str:
    rows = [(token.text, token.probability), *token.rivals]
    height = _ROW * len(rows)
    parts = []
    for row, (text, share) in enumerate(rows):
        top = row * _ROW
        fill = _colour(1) if row == 0 else "#7a7a7a"
        width = max(share * _BAR, 0.5)
        parts.append(
            f'<text x="52" y="{top + 16}" text-anchor="end">{escape(text)}</text>'
            f'<rect x="60" y="{top + 4}" width="{_BAR}" height="{_ROW - 8}" fill="none" stroke="#bbb"/>'
            f'<rect x="60" y="{top + 4}" width="{width:.1f}" height="{_ROW - 8}" fill="{fill}"/>'
            f'<text x="{70 + _BAR}" y="{top + 16}">{escape(percent_text(share))}</text>'
        )
    label = escape(", ".join(f"{text} {percent_text(share)}" for text, share in rows))
    width = 150 + _BAR
    return (
        f'<svg role="img" aria-label="{label}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"{''.join(parts)}</svg>"
    )


def _heat_map(explanation: Explanation, index: int) -> str:
    weights = explanation.attention[:, :, index]  # (L, H, S)
    columns = _columns(explanation, index)
    head = "".join(_column(explanation, column) for column in columns)
    others = np.setdiff1d(np.arange(len(explanation.prompt) + index), columns)
    rows = "".join(_rows(explanation, weights, columns))
    left = float(weights[:, :, others].sum(-1).max())
    told = f"{len(others):,} more tokens get at most {percent_text(left)} of a head together."
    note = f'<p class="note">{told}</p>' if len(others) else ""
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


def _columns(explanation: Explanation, index: int) -> list[int]:
    """The tokens that a heat map shows: all before a written one, or where there are many the ones that count."""
    count = len(explanation.prompt) + index
    if count <= _ALL:
        return list(range(count))
    most = explanation.attention[:, :, index, :count].max((0, 1))
    return np.flatnonzero(most >= _WEIGHT).tolist()


def _column(explanation: Explanation, column: int) -> str:
    token = explanation.tokens[column]
    return (
        f'<th scope="col"><span class="meaning">{escape(token.meaning)}</span>'
        f'<span class="text">{escape(token.text)}</span></th>'
    )


def _rows(explanation: Explanation, weights: NDArray[np.float32], columns: list[int]) -> Iterator[str]:
    for layer in range(weights.shape[0]):
        for head in range(weights.shape[1]):
            cells = "".join(_cell(float(weights[layer, head, column])) for column in columns)
            yield f'<tr><th scope="row">layer {layer + 1}, head {head + 1}</th>{cells}</tr>'


def _cell(weight: float) -> str:
    ink = "#fff" if weight > 0.5 else "#1a1a1a"
    number = f"{weight:.0%}"[:-1] if weight >= _NUMBER else ""
    return f'<td style="background: {_colour(weight)}; color: {ink}">{number}</td>'


def _colour(share: float) -> str:
    """From white to dark blue, small weights somewhat darker than their share."""
    share = min(max(share, 0.0), 1.0) ** 0.7
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_LIGHT, _DARK, strict=True))
