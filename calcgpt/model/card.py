"""The README.md of a model folder: a short model card, made from run.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEAD = """---
library_name: calcgpt
tags:
- arithmetic
---

# {name}

A small GPT that computes, trained from scratch with CalcGPT. Its run is {status}; written {created}.

```python
from calcgpt import CalcGPT

CalcGPT("{name}").solve("12+34")  # the path of this folder
```
"""


def model_card(run: Mapping[str, Any]) -> str:
    """The card of a run: name and status, then a table each of its results, config, data and versions."""
    parts = [
        _HEAD.format(
            name=run.get("name") or "CalcGPT model",
            status=run.get("status", "unknown"),
            created=str(run.get("created", ""))[:19].replace("T", " ") + " UTC",
        )
    ]
    for section in ("results", "config", "data", "versions"):
        content = run.get(section)
        if isinstance(content, Mapping):
            parts.append(_table(section.capitalize(), content))
    return "\n".join(part for part in parts if part)


def _table(title: str, content: Mapping[str, Any]) -> str:
    """A section with the entries that fit on a line; nothing where there are none."""
    rows = [(name, value) for name, value in content.items() if isinstance(value, (str, int, float))]
    if not rows:
        return ""
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows]
    return "\n".join([f"## {title}", "", "| | |", "|---|---|", *lines, ""])


def _cell(value: str | float) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
