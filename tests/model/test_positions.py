"""Position encodings against their papers' formulas, written out pair by pair."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from calcgpt.arithmetic.columns import Shape
from calcgpt.errors import UnsupportedProblem
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.positions import PositionEncoding, Sight, alibi_slopes, scale, sight
from calcgpt.tokens.places import Places, place_sequence, place_shape
from calcgpt.tokens.scheme import Positions

CPU = torch.device("cpu")
HEADS, WIDTH, TOKENS = 2, 32, 9
SIZES = {"embedding_dim": WIDTH, "num_heads": HEADS, "num_layers": 1, "feedforward_dim": 24}
RELATIVE = ("alibi", "fire", "relative")


def encoding_of(positions: Positions, seed: int = 0, **sizes: int) -> PositionEncoding:
    """An encoding all of whose parameters are random."""
    torch.manual_seed(seed)
    found = PositionEncoding(GPTConfig(13, 40, **{**SIZES, **sizes}, positions=positions))
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(torch.randn_like(parameter))
    return found


def any_places(scheme: Positions, highest: int = 12, seed: int = 0) -> Places:
    """Places of no problem at all: any ids, some of them anywhere, asked from any ids; the first is seen by all."""
    rng = np.random.default_rng(seed)
    ids, asks = rng.integers(0, highest, (2, TOKENS, scheme.axes))
    anywhere = rng.random((TOKENS, scheme.axes)) < 0.3
    anywhere[0] = True
    segments = rng.integers(0, 18, TOKENS) if scheme.segments else None
    following = rng.integers(0, 18, TOKENS) if scheme.segments else None
    return Places(ids, anywhere, asks, segments, following, scheme.windows, 3)


def pairs_of(places: Places) -> Iterator[tuple[int, int]]:
    """Which query sees which key, by the definition."""
    for query in range(len(places)):
        for key in range(query + 1):
            near = True
            for axis, reach in enumerate(places.windows or ()):
                distance = int(places.asks[query, axis]) - int(places.ids[key, axis])
                near &= bool(places.anywhere[key, axis]) or abs(distance) <= reach
            if near:
                yield query, key


def distance_of(places: Places, query: int, key: int, axis: int) -> int | None:
    """None where there is no distance, the key being anywhere."""
    return None if places.anywhere[key, axis] else int(places.asks[query, axis]) - int(places.ids[key, axis])


def scores_of(encoding: PositionEncoding, places: Places) -> Tensor:
    found = encoding.scores(Sight(places, 0, len(places), CPU))
    assert found is not None
    return found.detach()


def schemes(encoding: str, **more: Any) -> list[Positions]:
    return [
        Positions("sequential", encoding, **more),  # type: ignore[arg-type]
        Positions("abacus", encoding, **more),  # type: ignore[arg-type]
        Positions("coupled", encoding, **more),  # type: ignore[arg-type]
        Positions("coupled", encoding, window=(6,), **more),  # type: ignore[arg-type]
        Positions("coupled", encoding, window=(9, 5, 7, 8), **more),  # type: ignore[arg-type]
    ]


def name_of(scheme: Positions) -> str:
    return f"{scheme.ids}-{'.'.join(map(str, scheme.window)) or 'all'}-{scheme.offset}"


# What is added to the tokens


@pytest.mark.parametrize("scheme", schemes("learned", max_id=12), ids=name_of)
def test_learned_vectors_are_looked_up_axis_by_axis(scheme: Positions) -> None:
    encoding, places = encoding_of(scheme), any_places(scheme)
    found = encoding.embed(places)
    assert found is not None and found.shape == (TOKENS, WIDTH)
    for token in range(TOKENS):
        expected = torch.zeros(WIDTH)
        for axis in range(scheme.axes):
            place = 12 if places.anywhere[token, axis] else int(places.ids[token, axis])
            expected = expected + encoding.table.weight[axis * 13 + place]
        torch.testing.assert_close(found[token], expected)


@pytest.mark.parametrize("offset", ["uniform", "circular"])
def test_an_offset_moves_the_ids_of_each_sequence(offset: Any) -> None:
    scheme = Positions("coupled", "learned", offset=offset, max_id=20)
    encoding, places = encoding_of(scheme), any_places(scheme, highest=10)
    moves = torch.tensor([0, 3, 10] if offset == "uniform" else [0, 13, 19])
    found = encoding.embed(places, moves)
    assert found is not None and found.shape == (3, TOKENS, WIDTH)
    for row, move in enumerate(moves.tolist()):
        moved = Places((places.ids + move) % 20, places.anywhere, places.asks, None, None, None, 3)
        torch.testing.assert_close(found[row], encoding.embed(moved))


def test_a_table_has_an_end() -> None:
    scheme = Positions("coupled", "learned", max_id=12)
    encoding, places = encoding_of(scheme), any_places(scheme)
    places.ids[places.anywhere] = 500  # nobody looks there
    encoding.embed(places)
    places.ids[4, 2], places.anywhere[4, 2] = 12, False
    with pytest.raises(UnsupportedProblem, match="this model has 12 position ids, and the problem needs 13"):
        encoding.embed(places)
    assert encoding.embed(places, stop=4) is not None, "what is not asked for does not matter"


@pytest.mark.parametrize("width", [8, 7])
@pytest.mark.parametrize("ids", ["sequential", "coupled"])
def test_sinusoidal_vectors_are_those_of_the_paper(width: int, ids: Any) -> None:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(the same); which channel is which does not matter."""
    scheme = Positions(ids, "sinusoidal")
    encoding = encoding_of(scheme, embedding_dim=width, num_heads=1)
    places, pairs = any_places(scheme, highest=900), width // 2
    found = encoding.embed(places, torch.tensor([0, 25]))
    assert found is not None and found.shape == (2, TOKENS, width)
    for row, move in enumerate((0, 25)):
        for token in range(TOKENS):
            expected = [0.0] * width
            for axis in range(scheme.axes):
                position = 0 if places.anywhere[token, axis] else int(places.ids[token, axis]) + move
                for i in range(pairs):
                    angle = position / 10000 ** (2 * i / (2 * pairs))
                    expected[i] += math.sin(angle)
                    expected[pairs + i] += math.cos(angle)
            torch.testing.assert_close(found[row, token], torch.tensor(expected), atol=2e-4, rtol=0)


@pytest.mark.parametrize("kind", ["learned", "rotary", "none"])
def test_segments_and_next_segments_are_added(kind: Any) -> None:
    scheme = Positions("coupled", kind, window=(2,), segments=True)
    encoding, places = encoding_of(scheme), any_places(scheme)
    found = encoding.embed(places)
    bare = encoding.embed(Places(places.ids, places.anywhere, places.asks, None, None, places.windows, 3))
    assert found is not None and places.segments is not None and places.next_segments is not None
    for token in range(TOKENS):
        expected = encoding.segment.weight[int(places.segments[token])]
        expected = expected + encoding.next_segment.weight[int(places.next_segments[token])]
        torch.testing.assert_close(found[token], expected if bare is None else expected + bare[token])
    torch.testing.assert_close(encoding.embed(places, stop=4), found[:4])
    assert not torch.equal(encoding.segment.weight, encoding.next_segment.weight)


@pytest.mark.parametrize("kind", ["rotary", "none", *RELATIVE])
def test_what_is_relative_adds_nothing_to_the_tokens(kind: Any) -> None:
    scheme = Positions("coupled", kind, window=(2,))
    assert encoding_of(scheme).embed(any_places(scheme)) is None


# What is added to the scores


@pytest.mark.parametrize("scheme", schemes("relative", max_id=4), ids=name_of)
def test_a_relative_bias_is_looked_up_by_distance(scheme: Positions) -> None:
    encoding, places = encoding_of(scheme), any_places(scheme)
    found, pairs = scores_of(encoding, places), list(pairs_of(places))
    assert found.shape == (HEADS, len(pairs))
    reach = scheme.windows or (4,) * scheme.axes
    for number, (query, key) in enumerate(pairs):
        expected = torch.zeros(HEADS)
        for axis in range(scheme.axes):
            distance = distance_of(places, query, key, axis)
            nearest = reach[axis] + 1 if distance is None else max(-reach[axis], min(reach[axis], distance))
            expected = expected + encoding.bias[axis, reach[axis] + nearest].detach()
        torch.testing.assert_close(found[:, number], expected)


@pytest.mark.parametrize("scheme", schemes("alibi"), ids=name_of)
def test_alibi_takes_off_distance_times_slope(scheme: Positions) -> None:
    encoding, places = encoding_of(scheme), any_places(scheme)
    found, pairs = scores_of(encoding, places), list(pairs_of(places))
    assert found.shape == (HEADS, len(pairs))
    for number, (query, key) in enumerate(pairs):
        distances = [distance_of(places, query, key, axis) for axis in range(scheme.axes)]
        total = sum(abs(distance) for distance in distances if distance is not None)
        for head, slope in enumerate((1 / 16, 1 / 256)):
            assert float(found[head, number]) == pytest.approx(-slope * total, abs=1e-5)


def test_alibi_slopes_are_those_of_the_paper() -> None:
    assert alibi_slopes(8, CPU).tolist() == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    expected = [2 ** (-(head + 1) / 2) for head in range(16)]  # 1/2^0.5, 1/2, 1/2^1.5, ...
    torch.testing.assert_close(alibi_slopes(16, CPU), torch.tensor(expected))


def test_alibi_of_tokens_in_order_is_a_ramp() -> None:
    encoding = encoding_of(Positions(encoding="alibi"))
    found = encoding.matrix(Sight(place_sequence(5, 0, encoding.scheme), 0, 5, CPU))[0] * 16
    assert found[4].tolist() == [-4, -3, -2, -1, 0] and found[1].tolist() == [-1, 0] + [-math.inf] * 3


@pytest.mark.parametrize("scheme", schemes("fire"), ids=name_of)
def test_fire_is_equation_3(scheme: Positions) -> None:
    """f(psi(i - j) / psi(max(L, i))) with psi(x) = log(cx + 1), f a network with one hidden layer."""
    encoding, places = encoding_of(scheme), any_places(scheme, highest=150)
    with torch.no_grad():
        for number, fire in enumerate(encoding.fire):
            fire.threshold.fill_(40.0 + number)
            fire.scale.fill_(-0.3 if number else 0.2)  # c is its size
    found, pairs = scores_of(encoding, places), list(pairs_of(places))
    for number, (query, key) in enumerate(pairs):
        expected = torch.zeros(HEADS)
        for axis, fire in enumerate(encoding.fire):
            distance = distance_of(places, query, key, axis)
            if distance is None:
                expected = expected + fire.anywhere.detach()
                continue
            c, least = abs(fire.scale.item()), abs(fire.threshold.item())
            farthest = max(least, int(places.asks[query, axis]))
            share = math.log(c * abs(distance) + 1) / math.log(c * farthest + 1)
            state = {name: value.detach() for name, value in fire.network.named_parameters()}
            hidden = (state["0.weight"][:, 0] * share + state["0.bias"]).clamp(min=0)
            expected = expected + state["2.weight"] @ hidden + state["2.bias"]
        torch.testing.assert_close(found[:, number], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["learned", "sinusoidal", "rotary", "none"])
def test_what_is_absolute_raises_no_score(kind: Any) -> None:
    scheme = Positions("coupled", kind, window=(2,))
    assert encoding_of(scheme).scores(Sight(any_places(scheme), 0, TOKENS, CPU)) is None


@pytest.mark.parametrize("kind", [*RELATIVE, "none", "rotary"])
@pytest.mark.parametrize(("start", "stop"), [(0, TOKENS), (4, 7), (8, 9)])
def test_a_matrix_holds_the_scores_of_what_is_seen_and_hides_the_rest(kind: Any, start: int, stop: int) -> None:
    scheme = Positions("coupled", kind, window=(7,))
    encoding, places = encoding_of(scheme), any_places(scheme)
    seen = Sight(places, start, stop, CPU)
    matrix, scores = encoding.matrix(seen).detach(), encoding.scores(seen)
    assert matrix.shape == (HEADS if kind in RELATIVE else 1, stop - start, stop)
    pairs = [(query, key) for query, key in pairs_of(places) if start <= query < stop]
    expected = torch.full_like(matrix, -math.inf)
    for number, (query, key) in enumerate(pairs):
        expected[:, query - start, key] = 0 if scores is None else scores.detach()[:, number]
    assert torch.equal(matrix, expected) and len(pairs) < (stop - start) * stop


# Rotary


def turned(x: Tensor, ids: list[int]) -> list[complex]:
    """Equation 34 of RoFormer, with pairs of channels as complex numbers; each axis has its share of them."""
    half = len(x) // 2
    share = half // len(ids)
    found = []
    for pair in range(half):
        angle = ids[pair // share] * 10000 ** (-(pair % share) / share)
        found.append(complex(float(x[pair]), float(x[half + pair])) * cmath.exp(1j * angle))
    return found


@pytest.mark.parametrize("ids", ["sequential", "coupled"])
def test_rotation_is_a_complex_product(ids: Any) -> None:
    scheme = Positions(ids, "rotary")
    encoding, places = encoding_of(scheme), any_places(scheme, highest=60)
    x = torch.randn(3, TOKENS, HEADS, WIDTH // HEADS, generator=torch.Generator().manual_seed(1))
    found = torch.complex(*encoding.rotate(x, places.ids, places.anywhere).chunk(2, -1))
    for row in range(3):
        for token in range(TOKENS):
            own = np.where(places.anywhere[token], 0, places.ids[token]).tolist()
            for head in range(HEADS):
                expected = torch.tensor(turned(x[row, token, head], own))
                torch.testing.assert_close(found[row, token, head], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("ids", ["sequential", "coupled"])
def test_a_rotated_product_depends_on_the_difference_of_ids_alone(ids: Any) -> None:
    scheme = Positions(ids, "rotary")
    encoding, axes, rng = encoding_of(scheme), scheme.axes, np.random.default_rng(0)
    query, key = torch.randn(2, 1, 1, WIDTH // HEADS, generator=torch.Generator().manual_seed(2))
    for _ in range(30):
        asks, own = rng.integers(0, 50, (2, 1, axes))
        product = float((encoding.rotate(query, asks) * encoding.rotate(key, own)).sum())
        one, other = turned(query[0, 0], (asks - own)[0].tolist()), turned(key[0, 0], [0] * axes)
        exact = sum((a * b.conjugate()).real for a, b in zip(one, other, strict=True))
        assert product == pytest.approx(exact, abs=1e-4)
        move = rng.integers(-40, 40, (1, axes))
        moved = float((encoding.rotate(query, asks + move) * encoding.rotate(key, own + move)).sum())
        assert moved == pytest.approx(product, abs=1e-4)


@pytest.mark.parametrize("kind", ["learned", "sinusoidal", "none", *RELATIVE])
def test_only_rotary_turns_anything(kind: Any) -> None:
    scheme = Positions(encoding=kind, window=(3,))
    x = torch.randn(1, TOKENS, HEADS, WIDTH // HEADS)
    assert encoding_of(scheme).rotate(x, any_places(scheme).ids) is x


# What is kept


def test_a_sight_is_kept() -> None:
    places = place_shape(Shape("+", (3, 3)), Positions("coupled", "relative"))
    assert sight(places, 0, 5, CPU) is sight(places, 0, 5, CPU)
    assert sight(places, 0, 5, CPU) is not sight(places, 0, 6, CPU)


@pytest.mark.parametrize("kind", RELATIVE)
def test_what_was_seen_in_inference_mode_may_be_trained_with_later(kind: Any) -> None:
    scheme = Positions("coupled", kind, window=(1,), max_id=77)  # places of its own, seen by nobody yet
    torch.manual_seed(0)
    model = GPT(GPTConfig(13, 40, **SIZES, positions=scheme))
    places = place_shape(Shape("+", (2, 2)), scheme)
    batch = model.batch(*(torch.randint(2, 13, (2, 3, len(places)))), places)
    with torch.inference_mode():
        model.loss(batch)
    model.loss(batch).backward()
    assert all(torch.isfinite(value.grad).all() for value in model.positions.parameters() if value.grad is not None)


def test_products_are_divided_by_the_root_of_the_depth() -> None:
    assert [scale(depth) for depth in (1, 4, 16)] == [1, 0.5, 0.25]


@pytest.mark.parametrize("encoding", ["learned", "sinusoidal", "relative"])
def test_a_stretch_of_embeddings_is_a_part_of_the_whole(encoding: Any) -> None:
    config = GPTConfig(9, 99, 16, 1, 2, 16, positions=Positions("coupled", encoding, segments=True))
    places, encoder = place_shape(Shape("*", (3, 2)), config.positions), PositionEncoding(config)
    whole = encoder.embed(places)
    assert whole is not None
    torch.testing.assert_close(encoder.embed(places, start=4, stop=9), whole[4:9])
