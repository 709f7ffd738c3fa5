"""A position scheme as settings: ids × encoding × window. Imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from calcgpt.arithmetic.cells import AXES
from calcgpt.errors import ConfigError, shown_value

Ids = Literal["sequential", "abacus", "coupled"]
Encoding = Literal["learned", "sinusoidal", "rotary", "alibi", "fire", "relative", "none"]
Offset = Literal["none", "uniform", "circular"]

_ABSOLUTE = ("learned", "sinusoidal")
_MOST = 1_000_000  # ids or distances; more is a slip


@dataclass(frozen=True)
class Positions:
    """Which tokens belong together, and what attention sees of it.

    Args:
        ids: sequential (the order of tokens), abacus (a digit's place in its own number) or coupled (the same column of
            every operand and of what is written shares an id; for products and divisions on several axes). The last two
            need notation.work "columns".
        encoding: what ids do to attention: learned or sinusoidal vectors beside the tokens'; rotary queries and keys;
            alibi, fire or relative, which add a number to each score by the distance of two ids; or none.
        window: how far apart two ids may be and still see each other, one number for each axis, or one for all;
            none without it. What is seen from everywhere stays so.
        offset: in training, ids begin at a random number (uniform), or also wrap around the table's end (circular).
        max_id: how many ids a learned table has, and the distance from which on a relative one tells no more apart.
        segments: tell the model what kind of token each is and what kind comes next (which operand, which row of work).
        ahead: a token asks from where the next one will stand, not from where it stands itself.

    Raises:
        ConfigError: a combination that cannot work, with the reason.
    """

    ids: Ids = "sequential"
    encoding: Encoding = "learned"
    window: tuple[int, ...] = ()
    offset: Offset = "none"
    max_id: int = 128
    segments: bool = False
    ahead: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.window, (list, tuple)):
            object.__setattr__(self, "window", tuple(self.window))
        elif _whole(self.window):
            object.__setattr__(self, "window", (self.window,))
        for name, kind in (("ids", Ids), ("encoding", Encoding), ("offset", Offset)):
            value, known = getattr(self, name), get_args(kind)
            if value not in known:
                raise ConfigError(f"positions.{name} must be one of {', '.join(known)}, not {shown_value(value)}")
        for name in ("segments", "ahead"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"positions.{name} must be true or false, not {shown_value(getattr(self, name))}")
        if not _whole(self.max_id) or not 1 <= self.max_id <= _MOST:
            raise ConfigError(f"positions.max_id must be 1 to {_MOST:,}, not {shown_value(self.max_id)}")
        self._check_window()
        self._check_together()

    def _check_window(self) -> None:
        good = isinstance(self.window, tuple) and all(_whole(size) and 0 <= size <= _MOST for size in self.window)
        if not good or len(self.window) not in (0, 1, self.axes):
            axes = "one for each of the axes " + ", ".join(AXES) if self.axes > 1 else "the ids have one axis"
            raise ConfigError(
                f"positions.window must be no number, one of 0 or more for all axes, or {axes}; "
                f"not {shown_value(self.window)}"
            )

    def _check_together(self) -> None:
        absolute = self.encoding in _ABSOLUTE
        if self.offset != "none" and not absolute:
            raise ConfigError(
                f"positions.offset moves ids, which {self.encoding} does not see (only their distance): "
                f"use encoding {' or '.join(_ABSOLUTE)}, or no offset"
            )
        if self.offset == "circular" and self.encoding != "learned":
            raise ConfigError("positions.offset circular wraps ids around a table: use encoding learned")
        if self.encoding == "none" and self.ids != "sequential" and not self.window:
            raise ConfigError(f"positions.ids {self.ids} is seen by nothing: set an encoding or a window")
        if self.ahead and (absolute or self.encoding == "none") and not self.window:
            raise ConfigError(
                f"positions.ahead changes distances, and with encoding {self.encoding} there are none: set a window"
            )

    @property
    def axes(self) -> int:
        """How many numbers an id has."""
        return len(AXES) if self.ids == "coupled" else 1

    @property
    def windows(self) -> tuple[int, ...] | None:
        """The window of each axis, or None where there is none."""
        return self.window * self.axes if len(self.window) == 1 else self.window or None

    @property
    def plain(self) -> bool:
        """Whether this is GPT-2's own scheme: learned vectors for the order of tokens, and nothing more."""
        return (self.ids, self.encoding, self.window, self.offset, self.segments) == (
            *("sequential", "learned", (), "none"),
            False,
        )

    @property
    def needs_shape(self) -> bool:
        """Whether ids, or segments, depend on what a problem looks like."""
        return self.ids != "sequential" or self.segments

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {**asdict(self), "window": list(self.window)}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
