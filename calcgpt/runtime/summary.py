"""Dicts that show themselves as a summary: printing one, or ending a notebook's cell with it, floods no screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calcgpt.runtime.table import Table


class Summarised(dict[str, Any]):
    """A dict in everything but how it is shown. Its children say what is shown, whatever keys are there."""

    def summary(self) -> str:
        """One line."""
        raise NotImplementedError

    def tables(self) -> Sequence[Table]:
        """What a notebook shows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{self.summary()}; {len(self)} keys: {', '.join(map(str, self))}>"

    def _repr_html_(self) -> str:
        return "\n".join(table.to_html() for table in self.tables())
