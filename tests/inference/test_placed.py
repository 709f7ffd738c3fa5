"""Decoding by places, with a cache, against full passes of the model: for every position scheme that there is."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from calcgpt.arithmetic.columns import Shape
from calcgpt.errors import ConfigError
from calcgpt.inference import placed
from calcgpt.inference.choosing import Chooser, Completions
from calcgpt.inference.placed import decode_placed
from calcgpt.inference.slots import Slots
from calcgpt.inference.watch import Watch
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.places import Places, place_shape
from calcgpt.tokens.scheme import Positions

SHAPES = [Shape("+", (2, 2)), Shape("-", (2, 2)), Shape("*", (2, 1)), Shape("//", (1, 1)), Shape("%", (1, 1))]
SHAPES.append(Shape("+", (2, 2, 2)))
SIGNED = [Shape(symbol, (2, 2), signed=True) for symbol in ("+", "-", "*", "//", "%")]
VOCAB = 13
WINDOWS = {"sequential": [(), (2,)], "abacus": [(), (0,)], "coupled": [(), (1,), (0, 2, 1, 1)]}
ENCODINGS = ("learned", "sinusoidal", "rotary", "alibi", "fire", "relative", "none")


def every_scheme() -> list[Positions]:
    """What `Positions` accepts; GPT-2's own scheme, which is decoded elsewhere, left out."""
    found = []
    for ids, kind, segments, ahead in product(WINDOWS, ENCODINGS, (False, True), (False, True)):
        for window in WINDOWS[ids]:
            try:
                found.append(Positions(ids, kind, window, "none", 500, segments, ahead))  # type: ignore[arg-type]
            except ConfigError:
                continue
    return [scheme for scheme in found if not scheme.plain]


def name_of(scheme: Positions) -> str:
    window = ".".join(map(str, scheme.window)) or "all"
    return f"{scheme.ids}-{scheme.encoding}-{window}" + "-segments" * scheme.segments + "-ahead" * scheme.ahead


SCHEMES = every_scheme()


def lively(scheme: Positions, layers: int = 2, seed: int = 0) -> GPT:
    """A model whose logits are far from even, and all of whose weights matter."""
    torch.manual_seed(seed)
    sizes = {"embedding_dim": 16, "num_layers": layers, "num_heads": 2, "feedforward_dim": 16}
    model = GPT(GPTConfig(VOCAB, 99, **sizes, positions=scheme))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def prompts_of(places: Places, size: int = 3, seed: int = 0) -> Tensor:
    return torch.randint(2, VOCAB, (size, places.prompt), generator=torch.Generator().manual_seed(seed))


class Script:
    """Takes tokens as they are written here, whatever the model finds, and keeps what it found."""

    def __init__(self, model: GPT, tokens: Tensor):
        self.model, self.tokens, self.logits = model, tokens, list[Tensor]()

    def __call__(self, logits: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        token = self.tokens[:, len(self.logits)]
        self.logits.append(logits.clone())
        return token, logits.log_softmax(-1).gather(1, token[:, None])[:, 0]


def decode(model: GPT, prompts: Tensor, places: Places, **options: Any) -> Completions:
    return decode_placed(Chooser(model, 0.0, None), prompts, places, len(places), **options)


@torch.no_grad()
def one_by_one(model: GPT, prompt: Tensor, places: Places) -> tuple[list[int], list[float], bool]:
    """Greedy decoding as its definition says: tokens before the end, log-probabilities, whether it ended."""
    ids, scores = prompt.tolist(), []
    while len(ids) < len(places):
        logits = model(torch.tensor([ids]), places=places).logits[0, -1].double()
        logits[model.config.pad_id] = -torch.inf
        token = int(logits.argmax())
        scores.append(float(logits.log_softmax(0)[token]))
        if token == model.config.end_id:
            return ids[len(prompt) :], scores, True
        ids.append(token)
    return ids[len(prompt) :], scores, False


def assert_same(found: Completions, expected: Completions) -> None:
    assert torch.equal(found.tokens, expected.tokens) and torch.equal(found.lengths, expected.lengths)
    assert torch.equal(found.ended, expected.ended)
    torch.testing.assert_close(found.log_probabilities, expected.log_probabilities, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def assert_cache_is_exact(model: GPT, shape: Shape, most: int = 999) -> None:
    """Logits of decoding, token by token, are those of one pass without a cache."""
    scheme = model.config.positions
    places = place_shape(shape, scheme)
    ids = torch.randint(2, VOCAB, (2, len(places)), generator=torch.Generator().manual_seed(0))
    script = Script(model, ids[:, places.prompt :])
    space = min(most, len(places) - places.prompt)
    found = decode_placed(script, ids[:, : places.prompt], places, space)  # type: ignore[arg-type]
    assert torch.equal(found.tokens, ids[:, places.prompt :][:, :space]) and not found.ended.any()
    whole = model(ids, places=places).logits[:, places.prompt - 1 : -1][:, :space]
    assert whole.isfinite().all() and whole.std() > 0.3
    torch.testing.assert_close(torch.stack(script.logits, 1), whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("number", "scheme"), list(enumerate(SCHEMES)), ids=[name_of(scheme) for scheme in SCHEMES])
def test_logits_token_by_token_are_those_of_one_pass(number: int, scheme: Positions) -> None:
    """Every scheme with every shape, with one layer and two in turn; of divisions the beginning."""
    models = [lively(scheme, 1), lively(scheme, 2)]
    for place, shape in enumerate(SHAPES):
        assert_cache_is_exact(models[(number + place) % 2], shape, most=9)


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("scheme", SCHEMES, ids=name_of)
def test_of_every_scheme_every_shape_and_depth(scheme: Positions, layers: int) -> None:
    model = lively(scheme, layers)
    for shape in [*SHAPES, Shape("*", (3, 4)), Shape("//", (4, 2)), Shape("%", (3, 2)), Shape("+", (3,) * 5), *SIGNED]:
        assert_cache_is_exact(model, shape)


def test_the_schemes_are_many() -> None:
    assert {(scheme.ids, scheme.encoding) for scheme in SCHEMES} == set(product(WINDOWS, ENCODINGS))
    assert len(SCHEMES) > 150


FEW = [SHAPES[0], SHAPES[2], SHAPES[3], SIGNED[1]]
SOME = [
    Positions("coupled", "relative", (1,), segments=True, ahead=True),
    Positions("coupled", "rotary", (2,), ahead=True),
    Positions("coupled", "fire"),
    Positions("abacus", "learned", (1,), segments=True),
    Positions("abacus", "alibi"),
    Positions("sequential", "sinusoidal", segments=True),
    Positions("sequential", "none"),
]
EVERY_ONE = pytest.mark.parametrize("scheme", SOME, ids=name_of)


@EVERY_ONE
def test_greedy_completions_are_those_of_full_passes(scheme: Positions) -> None:
    ends = set()
    for seed, shape in enumerate(FEW):
        model, places = lively(scheme, seed=seed), place_shape(shape, scheme)
        model.ln_f.bias.data += 0.4 * model.wte.weight[model.config.end_id].data  # it ends sooner
        prompts = prompts_of(places, 10)
        found = decode(model, prompts, places)
        for row in range(10):
            tokens, scores, ended = one_by_one(model, prompts[row], places)
            assert found.tokens[row].tolist() == tokens + [0] * (found.tokens.shape[1] - len(tokens))
            assert (int(found.lengths[row]), bool(found.ended[row])) == (len(tokens), ended)
            expected = torch.zeros(found.log_probabilities.shape[1])
            expected[: len(scores)] = torch.tensor(scores)
            torch.testing.assert_close(found.log_probabilities[row], expected, atol=1e-4, rtol=1e-4)
            ends.add(ended)
    assert ends == {True, False}, "both kinds of completion were compared"


@EVERY_ONE
def test_a_completion_does_not_depend_on_its_neighbours(scheme: Positions) -> None:
    model = lively(scheme)
    for shape in FEW:
        places = place_shape(shape, scheme)
        prompts = prompts_of(places, 20)
        together = decode(model, prompts, places)
        for row in (0, 7, 19):
            alone = decode(model, prompts[row : row + 1], places)
            length, width = int(alone.lengths[0]), alone.log_probabilities.shape[1]
            assert together.tokens[row, :length].tolist() == alone.tokens[0].tolist()
            assert int(together.lengths[row]) == length and bool(together.ended[row]) == bool(alone.ended[0])
            scores = together.log_probabilities[row, :width]
            torch.testing.assert_close(scores, alone.log_probabilities[0], atol=1e-4, rtol=1e-4)


@EVERY_ONE
def test_order_and_repetition_do_not_matter(scheme: Positions) -> None:
    model, places = lively(scheme), place_shape(SHAPES[2], scheme)
    prompts = prompts_of(places, 15)
    order = torch.randperm(15, generator=torch.Generator().manual_seed(1)).repeat(2)
    found, again = decode(model, prompts, places), decode(model, prompts[order], places)
    fields = (found.tokens, found.lengths, found.ended, found.log_probabilities)
    assert_same(again, Completions(*[part[order] for part in fields]))


@EVERY_ONE
def test_how_much_is_done_at_once_changes_nothing(scheme: Positions, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lively(scheme)
    asked = [(prompts_of(places, 5), places) for places in (place_shape(shape, scheme) for shape in FEW)]
    expected = [decode(model, *parts) for parts in asked]
    for name, value in [("_CACHED", 1), ("_CACHED", 9_000), ("_BLOCK", 2)]:
        with monkeypatch.context() as patched:
            patched.setattr(placed, name, value)
            for parts, whole in zip(asked, expected, strict=True):
                assert_same(decode(model, *parts), whole)


def test_chunks_are_as_small_as_asked_and_progress_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model, places = lively(SOME[0]), place_shape(SHAPES[0], SOME[0])
    plan = Slots(places, places.prompt, len(places), torch.device("cpu"))
    monkeypatch.setattr(placed, "_CACHED", 3 * plan.count * 8 * model.config.num_layers * model.config.embedding_dim)
    calls: list[int] = []
    decode(model, prompts_of(places, 8), places, progress=calls.append)
    assert calls == [3, 6, 8]


def test_space_limits_what_is_written() -> None:
    model, places = lively(SOME[0], seed=2), place_shape(SHAPES[1], SOME[0])
    prompts, choose = prompts_of(places, 30), Chooser(model, 0.0, None)
    whole, part = decode(model, prompts, places), decode_placed(choose, prompts, places, 2)
    assert whole.tokens.shape[1] > 2 and torch.equal(part.tokens, whole.tokens[:, :2])
    assert torch.equal(part.lengths, whole.lengths.clamp(max=2))
    assert torch.equal(part.ended, whole.ended & (whole.lengths < 2))


def test_draws_follow_the_seed() -> None:
    model, places = lively(SOME[0]), place_shape(SHAPES[2], SOME[0])
    prompts = prompts_of(places, 40)
    drawn = [decode_placed(Chooser(model, 1.0, seed), prompts, places, 9).tokens for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert drawn[0].shape != drawn[2].shape or not torch.equal(drawn[0], drawn[2])


def test_no_prompts_give_no_completions() -> None:
    places = place_shape(SHAPES[0], SOME[0])
    found = decode(lively(SOME[0]), prompts_of(places, 0), places)
    assert len(found.tokens) == len(found.lengths) == len(found.ended) == len(found.log_probabilities) == 0


def test_every_token_is_seen_anew_at_a_far_place() -> None:
    """Long enough that keys are looked up in several stretches, as they are in long problems."""
    scheme = SOME[0]
    model, places = lively(scheme), place_shape(Shape("+", (700, 700)), scheme)
    ids = torch.randint(2, VOCAB, (1, len(places)), generator=torch.Generator().manual_seed(0))
    script = Script(model, ids[:, places.prompt :])
    decode_placed(script, ids[:, : places.prompt], places, len(places))  # type: ignore[arg-type]
    with torch.no_grad():
        whole = model(ids, places=places).logits[:, places.prompt - 1 : -1]
    torch.testing.assert_close(torch.stack(script.logits, 1), whole, atol=1e-4, rtol=1e-4)


# Slices


@EVERY_ONE
def test_slices_write_what_one_piece_writes(scheme: Positions, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lively(scheme)
    for shape in FEW:
        places = place_shape(shape, scheme)
        prompts = prompts_of(places, 50)
        expected = [decode_placed(Chooser(model, heat, 3), prompts, places, len(places)) for heat in (0.0, 1.0)]
        for threads, fewest in [(1, 7), (3, 7), (3, 1)]:
            before = torch.get_num_threads()
            torch.set_num_threads(threads)
            try:
                with monkeypatch.context() as patched:
                    patched.setattr(placed, "_TOUCHED", 1)
                    patched.setattr(placed, "_FEWEST", fewest)
                    for heat, whole in zip((0.0, 1.0), expected, strict=True):
                        assert_same(decode_placed(Chooser(model, heat, 3), prompts, places, len(places)), whole)
            finally:
                torch.set_num_threads(before)


def test_a_slice_is_as_large_as_the_bytes_that_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    model, places = lively(SOME[0]), place_shape(SHAPES[2], SOME[0])
    monkeypatch.setattr(placed, "_FEWEST", 1)
    sizes = []
    for touched in (1, 2**16, 2**17, 2**62):
        calls: list[int] = []
        monkeypatch.setattr(placed, "_TOUCHED", touched)
        decode(model, prompts_of(places, 200), places, progress=calls.append)
        assert calls[-1] == 200
        sizes.append(calls[0])
    assert sizes[0] == 1 < sizes[1] < sizes[2] < sizes[3] == 200 and abs(sizes[2] - 2 * sizes[1]) <= 1


def test_the_time_ends_a_decoding_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    model, places = lively(SOME[0]), place_shape(SHAPES[2], SOME[0])
    prompts, calls = prompts_of(places, 4), list[tuple[int, int]]()
    whole = decode(model, prompts, places)
    watch = Watch(1e9, lambda done, total: calls.append((done, total)))
    watch.expect(4 * (len(places) - places.prompt))
    monkeypatch.setattr(Watch, "expired", property(lambda self: self._written >= 12))
    part = decode_placed(Chooser(model, 0.0, None), prompts, places, len(places), watch=watch)
    assert part.tokens.shape[1] == 3 and torch.equal(part.tokens, whole.tokens[:, :3])
    assert calls[-1][0] == calls[-1][1], "nothing more is expected"
    monkeypatch.undo()
    over = decode_placed(Chooser(model, 0.0, None), prompts, places, len(places), watch=Watch(1e-9))
    assert over.tokens.shape == (4, 0) and not over.ended.any()
