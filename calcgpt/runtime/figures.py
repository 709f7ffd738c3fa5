"""Shares, durations and other figures as people read them; every part of CalcGPT rounds in this one way."""

from __future__ import annotations

from fractions import Fraction

NOTHING = "–"  # stands where there is no figure


def share_text(right: int, total: int, decimals: int = 2) -> str:
    """A share in percent, rounded; 100% only where it is all, 0% only where it is none, a dash for none of none.

    >>> share_text(2, 3), share_text(999_996, 1_000_000), share_text(1, 1_000_000), share_text(7, 7), share_text(0, 0)
    ('66.67%', '>99.99%', '<0.01%', '100%', '–')
    """
    if not total:
        return NOTHING
    if right <= 0 or right >= total:
        return "0%" if right <= 0 else "100%"
    whole = 10**decimals
    scaled = (200 * whole * right + total) // (2 * total)
    if not 0 < scaled < 100 * whole:
        sign, scaled = ("<", 1) if scaled == 0 else (">", 100 * whole - 1)
    else:
        sign = ""
    return f"{sign}{scaled // whole}.{scaled % whole:0{decimals}d}%" if decimals else f"{sign}{scaled}%"


def percent_text(share: float | None, decimals: int = 2) -> str:
    """A share or probability in [0, 1], rounded as `share_text` rounds; a dash for None.

    >>> percent_text(0.99999), percent_text(1.0), percent_text(0.5), percent_text(None)
    ('>99.99%', '100%', '50.00%', '–')
    """
    if share is None or share != share:
        return NOTHING
    return share_text(*Fraction(min(1.0, max(0.0, share))).as_integer_ratio(), decimals)


def duration_text(seconds: float) -> str:
    """A duration: `0.4 s`, `75 s`, `12.5 min`."""
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.1f} min"


def figure_text(value: float | None) -> str:
    """A figure with three places that matter: `0.0123`, `12.3`, `2,500`; a dash for None."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
