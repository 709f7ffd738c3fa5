"""Position schemes: which combinations work, why the others do not, and plain values there and back."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.errors import ConfigError
from calcgpt.tokens.scheme import Encoding, Ids, Offset, Positions

WINDOWS: tuple[tuple[int, ...], ...] = ((), (0,), (3,), (1, 2), (1, 0, 2, 1))
SETTINGS: dict[str, tuple[Any, ...]] = {
    "ids": get_args(Ids),
    "encoding": get_args(Encoding),
    "window": WINDOWS,
    "offset": get_args(Offset),
    "segments": (False, True),
    "ahead": (False, True),
}
COMBINATIONS = [dict(zip(SETTINGS, values, strict=True)) for values in product(*SETTINGS.values())]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers(-2, 9), max_size=5)
)


def works(ids: str, encoding: str, window: tuple[int, ...], offset: str, segments: bool, ahead: bool) -> bool:
    """The rules, once more: ids must be seen by something, and what is asked for must change something."""
    axes = {"sequential": 1, "abacus": 1, "coupled": 4}[ids]
    sees_ids = encoding in ("learned", "sinusoidal")
    sees_distances = encoding in ("rotary", "alibi", "fire", "relative") or window != ()
    return (
        len(window) in (0, 1, axes)
        and (offset != "uniform" or sees_ids)
        and (offset != "circular" or encoding == "learned")
        and (ids == "sequential" or sees_ids or sees_distances)
        and (not ahead or sees_distances)
    )


def test_every_combination_works_or_says_why_not() -> None:
    made, refused = 0, 0
    for settings in COMBINATIONS:
        if works(**settings):
            scheme = Positions(**settings)
            assert Positions(**scheme.to_dict()) == scheme
            assert Positions(**json.loads(json.dumps(scheme.to_dict()))) == scheme
            made += 1
        else:
            with pytest.raises(ConfigError) as caught:
                Positions(**settings)
            reason = str(caught.value)
            assert reason.startswith("positions.") and "\n" not in reason and len(reason) < 250
            refused += 1
    assert (made, refused) == (360, 900)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"offset": "uniform", "encoding": "rotary"}, "offset moves ids, which rotary does not see"),
        ({"offset": "circular", "encoding": "sinusoidal"}, "offset circular wraps ids around a table"),
        ({"ids": "abacus", "encoding": "none"}, "ids abacus is seen by nothing: set an encoding or a window"),
        ({"ahead": True}, "ahead changes distances, and with encoding learned there are none: set a window"),
        ({"window": (1, 2)}, "window must be .* the ids have one axis; not [(]1, 2[)]"),
        (
            {"window": (1, 2), "ids": "coupled"},
            "window must be .*for each of the axes column, local, row, pass; not",
        ),
        ({"window": -1}, r"window must be .* not \(-1,\)"),
        ({"window": 1.5}, "window must be .* not 1.5"),
        ({"window": True}, "window must be .* not True"),
        ({"window": (1, "2", 3, 4), "ids": "coupled"}, "window must be"),
        ({"window": 10**9}, "window must be"),
        ({"ids": "other"}, "ids must be one of sequential, abacus, coupled, not 'other'"),
        ({"encoding": None}, "encoding must be one of learned, .*, none, not None"),
        ({"offset": ["none"]}, "offset must be one of none, uniform, circular, not"),
        ({"segments": 1}, "segments must be true or false, not 1"),
        ({"ahead": "yes"}, "ahead must be true or false, not 'yes'"),
        ({"max_id": 0}, "max_id must be 1 to 1,000,000, not 0"),
        ({"max_id": True}, "max_id must be 1 to 1,000,000, not True"),
        ({"max_id": 2_000_000}, "max_id must be 1 to"),
        ({"max_id": 64.0}, "max_id must be 1 to"),
    ],
)
def test_impossible_schemes(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=f"positions.{reason}"):
        Positions(**settings)


@given(st.dictionaries(st.sampled_from(list(Positions().to_dict())), JUNK))
def test_junk_is_a_config_error_or_a_scheme(settings: dict[str, Any]) -> None:
    try:
        scheme = Positions(**settings)
    except ConfigError as error:
        assert "\n" not in str(error)
        return
    assert Positions(**scheme.to_dict()) == scheme and hash(scheme) == hash(Positions(**scheme.to_dict()))


def test_a_window_is_given_once_or_for_each_axis() -> None:
    assert Positions().windows is None and Positions(ids="coupled").windows is None
    assert Positions(window=3).windows == Positions(window=[3]).windows == (3,)  # type: ignore[arg-type]
    assert Positions(window=0).windows == (0,)  # type: ignore[arg-type]
    assert Positions(ids="coupled", window=(2,)).windows == (2, 2, 2, 2)
    assert Positions(ids="coupled", window=(4, 3, 2, 1)).windows == (4, 3, 2, 1)
    assert Positions(window=(5,)).to_dict()["window"] == [5]


def test_axes_and_what_depends_on_a_shape() -> None:
    assert [Positions(ids=ids).axes for ids in get_args(Ids)] == [1, 1, 4]
    assert [Positions(ids=ids).needs_shape for ids in get_args(Ids)] == [False, True, True]
    assert Positions(segments=True).needs_shape and not Positions(window=(3,), encoding="alibi").needs_shape


def test_only_one_scheme_is_plain() -> None:
    plain = [settings for settings in COMBINATIONS if works(**settings) and Positions(**settings).plain]
    assert plain == [
        {
            "ids": "sequential",
            "encoding": "learned",
            "window": (),
            "offset": "none",
            "segments": False,
            "ahead": False,
        }
    ]
