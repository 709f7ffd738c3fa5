"""Slots: a key is where it was put as long as some token looks at it, and few are held where a window is narrow."""

from __future__ import annotations

import pytest
import torch

from calcgpt.arithmetic.columns import Shape
from calcgpt.inference import slots as slots_module
from calcgpt.inference.slots import Slots
from calcgpt.inference.watch import Watch
from calcgpt.model.config import GPTConfig
from calcgpt.model.positions import PositionEncoding
from calcgpt.tokens.places import place_shape, visible
from calcgpt.tokens.scheme import Positions

OURS = Positions(ids="coupled", encoding="relative", window=(1,), segments=True, ahead=True)
CPU = torch.device("cpu")
SHAPES = [Shape("+", (6, 6)), Shape("-", (4, 4)), Shape("*", (5, 4)), Shape("//", (5, 2), True), Shape("+", (4, 4, 4))]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", [OURS, Positions(encoding="alibi", window=(5,)), Positions(encoding="alibi")])
def test_every_key_that_is_seen_is_still_held(shape: Shape, scheme: Positions) -> None:
    places = place_shape(shape, scheme)
    plan = Slots(places, places.prompt, len(places), CPU)
    encoding = PositionEncoding(GPTConfig(9, 99, 16, 1, 2, 16, positions=scheme))
    held = dict(enumerate(range(places.prompt)))  # slot -> token
    for token in range(places.prompt - 1, len(places) - 1):
        if token >= places.prompt:
            held[plan.of[token]] = token
        slots, _ = plan.stretch(token, encoding).seen(token)
        expected = visible(places, token, token + 1).keys.tolist()
        found = range(token + 1) if slots is None else slots.tolist()
        assert [held[slot] for slot in found] == expected
    assert len(held) <= plan.count


def test_a_long_product_needs_the_slots_of_a_few_rows() -> None:
    places = place_shape(Shape("*", (40, 40)), OURS)
    plan = Slots(places, places.prompt, len(places), CPU)
    assert len(places) > 3000 and plan.count < 82 + 4 * 2 * 42
    plain = place_shape(Shape("*", (40, 40)), Positions(encoding="alibi"))
    assert Slots(plain, plain.prompt, len(plain), CPU).count == len(plain)


def test_a_plan_is_the_same_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    places = place_shape(Shape("*", (8, 5)), OURS)
    encoding = PositionEncoding(GPTConfig(9, 99, 16, 1, 2, 16, positions=OURS))
    torch.nn.init.normal_(encoding.bias)
    whole = Slots(places, places.prompt, len(places), CPU)
    stretch = whole.stretch(places.prompt - 1, encoding)
    monkeypatch.setattr(slots_module, "STRETCH", 7)
    plan = Slots(places, places.prompt, len(places), CPU)
    assert (plan.of == whole.of).all() and (plan.count, plan.most) == (whole.count, whole.most)
    part = plan.stretch(places.prompt - 1, encoding)
    for token in range(places.prompt - 1, len(places) - 1):
        if token == part.stop:
            part = plan.stretch(token, encoding)
        for found, expected in zip(part.seen(token), stretch.seen(token), strict=True):
            assert found is not None and expected is not None and torch.equal(found, expected)
    assert part.stop == len(places) - 1 and part.stop - part.start <= 7


def test_long_plans_are_made_for_one_asking_and_end_with_the_time() -> None:
    places = place_shape(Shape("*", (40, 40)), OURS)
    plans = [slots_module.slots(places, places.prompt, len(places), CPU) for _ in range(2)]
    assert plans[0] is not plans[1], "what is long is not kept"
    short = place_shape(Shape("+", (4, 4)), OURS)
    assert len({id(slots_module.slots(short, short.prompt, len(short), CPU)) for _ in range(2)}) == 1
    watch = Watch(1e-9)
    with pytest.raises(slots_module.TimeUp):
        Slots(places, places.prompt, len(places), CPU, watch)
