"""Batches of one shape: the loss and its gradients against a full pass, with any position scheme."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from calcgpt.arithmetic.columns import Shape
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.layouts import IGNORE, LossBatch, PlacedBatch
from calcgpt.model.positions import Sight
from calcgpt.tokens.places import Places, place_sequence, place_shape
from calcgpt.tokens.scheme import Positions

VOCAB = 13
SCHEMES = [
    Positions("coupled", "relative", (1,), segments=True, ahead=True),
    Positions("coupled", "rotary", (1, 2, 0, 1)),
    Positions("coupled", "fire", ahead=True),
    Positions("abacus", "alibi", segments=True),
    Positions("abacus", "learned", (1,), ahead=True),
    Positions("sequential", "sinusoidal", segments=True),
    Positions("sequential", "relative", (3,)),
    Positions("sequential", "none", segments=True),
]
SHAPES = [Shape("+", (2, 2)), Shape("-", (3, 3)), Shape("*", (2, 1)), Shape("//", (2, 1)), Shape("+", (2, 2, 2))]
EVERY_SCHEME = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.ids}-{scheme.encoding}")
EVERY_DEPTH = pytest.mark.parametrize("layers", [1, 2])


def lively(scheme: Positions, layers: int = 2, **more: Any) -> GPT:
    torch.manual_seed(0)
    sizes = {"embedding_dim": 16, "num_layers": layers, "num_heads": 2, "feedforward_dim": 24}
    model = GPT(GPTConfig(VOCAB, 99, **sizes, positions=scheme, **more))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def ids_of(places: Places, size: int = 3, seed: int = 0) -> Tensor:
    return torch.randint(2, VOCAB, (size, len(places)), generator=torch.Generator().manual_seed(seed))


def label_kinds(ids: Tensor, prompt: int) -> dict[str, Tensor]:
    place = torch.arange(ids.shape[1])
    holes = torch.rand(ids.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    return {
        "answer": ids.masked_fill(place < prompt, IGNORE),
        "all": ids,
        "scattered": ids.masked_fill(holes | (place < 2) | (place > prompt + 1), IGNORE),
        "one token": ids.masked_fill(place != prompt, IGNORE),
    }


def gradients(model: GPT, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {
        name: torch.zeros_like(value) if value.grad is None else value.grad for name, value in model.named_parameters()
    }


@EVERY_SCHEME
@EVERY_DEPTH
def test_the_loss_is_the_masked_cross_entropy_of_a_full_pass(scheme: Positions, layers: int) -> None:
    model = lively(scheme, layers)
    for shape in SHAPES:
        places = place_shape(shape, scheme)
        ids = ids_of(places)
        for kind, labels in label_kinds(ids, places.prompt).items():
            found, expected = model.loss(model.batch(ids, labels, places)), model(ids, labels, places)
            logits = expected.logits[:, :-1][labels[:, 1:] != IGNORE]
            entropy = -logits.log_softmax(-1).gather(1, labels[:, 1:][labels[:, 1:] != IGNORE][:, None]).mean()
            torch.testing.assert_close(expected.loss, entropy, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(found, entropy, atol=1e-5, rtol=1e-5, msg=lambda text, kind=kind: kind + text)


@EVERY_SCHEME
@EVERY_DEPTH
def test_gradients_are_those_of_a_full_pass(scheme: Positions, layers: int) -> None:
    model = lively(scheme, layers)
    places = place_shape(SHAPES[2], scheme)
    ids = ids_of(places)
    for labels in label_kinds(ids, places.prompt).values():
        whole = model(ids, labels, places).loss
        assert whole is not None
        expected, found = gradients(model, whole), gradients(model, model.loss(model.batch(ids, labels, places)))
        for name in expected:
            assert expected[name].isfinite().all()
            torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=1e-4)
        moved = [name for name in expected if name.startswith("positions.") and found[name].abs().sum() > 0]
        assert moved or not list(model.positions.parameters()), "the positions are trained too"


def attention_by_hand(model: GPT, x: Tensor, places: Places) -> Tensor:
    """One block's attention, query by query and key by key: softmax(q k / root of the depth + raise) v."""
    attention, encoding, heads = model.h[0].attn, model.positions, model.config.num_heads
    depth = x.shape[1] // heads
    query, key, value = (x @ attention.c_attn.weight + attention.c_attn.bias).view(len(x), 3, heads, depth).unbind(1)
    query, key = encoding.rotate(query, places.asks), encoding.rotate(key, places.ids, places.anywhere)
    seen = Sight(places, 0, len(places), x.device)
    raised, pairs = encoding.scores(seen), list(zip(*seen.pairs[:2], strict=True))
    gathered = torch.zeros(len(x), heads, depth)
    for token in range(len(x)):
        for head in range(heads):
            scores = {
                own: float(query[token, head] @ key[own, head]) / math.sqrt(depth)
                + (0 if raised is None else float(raised[head, number]))
                for number, (asking, own) in enumerate(pairs)
                if asking == token
            }
            weights = {own: math.exp(score - max(scores.values())) for own, score in scores.items()}
            for own, weight in weights.items():
                gathered[token, head] += weight / sum(weights.values()) * value[own, head]
    return gathered.flatten(1) @ attention.c_proj.weight + attention.c_proj.bias


@torch.no_grad()
@EVERY_SCHEME
def test_a_pass_is_attention_over_what_each_token_sees(scheme: Positions) -> None:
    model = lively(scheme, 1)
    for shape in SHAPES[:3]:
        places = place_shape(shape, scheme)
        ids, block = ids_of(places, 1), model.h[0]
        added = model.positions.embed(places)
        x = model.wte(ids[0]) if added is None else model.wte(ids[0]) + added
        x = x + attention_by_hand(model, block.ln_1(x), places)
        expected = model.head(x + block.mlp(block.ln_2(x)))
        torch.testing.assert_close(model(ids, places=places).logits[0], expected, atol=1e-4, rtol=1e-4)


@EVERY_SCHEME
def test_a_batch_computes_each_sequence_as_alone(scheme: Positions) -> None:
    model = lively(scheme)
    for shape in SHAPES:
        places = place_shape(shape, scheme)
        ids = ids_of(places, 4)
        together = model(ids, places=places).logits
        for row in range(4):
            alone = model(ids[row : row + 1], places=places).logits[0]
            torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-5)


@EVERY_SCHEME
def test_later_tokens_change_nothing_before(scheme: Positions) -> None:
    model = lively(scheme)
    for shape in SHAPES:
        places = place_shape(shape, scheme)
        ids = ids_of(places)
        before = model(ids, places=places).logits
        for place in range(1, len(places), 3):
            changed = torch.cat([ids[:, :place], ids_of(places, seed=place)[:, place:]], 1)
            after = model(changed, places=places).logits
            torch.testing.assert_close(after[:, :place], before[:, :place], atol=1e-6, rtol=0)
            assert not torch.allclose(after[:, place:], before[:, place:])


@EVERY_SCHEME
def test_a_beginning_is_computed_as_within_the_whole(scheme: Positions) -> None:
    model, places = lively(scheme), place_shape(SHAPES[1], scheme)
    ids = ids_of(places)
    whole = model(ids, places=places).logits
    for length in (1, 4, len(places) - 1):
        torch.testing.assert_close(model(ids[:, :length], places=places).logits, whole[:, :length])


@pytest.mark.parametrize("kind", ["learned", "sinusoidal"])
@pytest.mark.parametrize("layers", [1, 2])
def test_an_offset_moves_each_sequence_by_its_own(kind: Any, layers: int) -> None:
    scheme = Positions("coupled", kind, offset="uniform", max_id=40)
    model, places = lively(scheme, layers), place_shape(SHAPES[2], scheme)
    ids, moves = ids_of(places), torch.tensor([0, 7, 31])
    labels = label_kinds(ids, places.prompt)["answer"]
    losses = []
    for row, move in enumerate(moves.tolist()):
        moved = Places(places.ids + move, places.anywhere, places.asks, None, None, places.windows, places.prompt)
        loss = model(ids[row : row + 1], labels[row : row + 1], moved).loss
        assert loss is not None
        losses.append(loss)
    found = model.loss(model.batch(ids, labels, places, moves))
    torch.testing.assert_close(found, torch.stack(losses).mean(), atol=1e-5, rtol=1e-5)
    assert not torch.isclose(found, model.loss(model.batch(ids, labels, places)))


def test_only_what_bears_a_loss_is_computed_in_the_last_block() -> None:
    places = place_shape(SHAPES[2], SCHEMES[0])
    ids = ids_of(places)
    labels = ids.masked_fill(torch.arange(len(places)) < places.prompt, IGNORE)
    batch = PlacedBatch(ids, labels, places)
    assert batch.tokens.shape == (3, len(places) - 1), "the last token predicts nothing"
    assert batch.rows is not None and batch.start == places.prompt - 1
    assert torch.equal(batch.targets.view(3, -1), labels[:, places.prompt :])
    expected = [row * (len(places) - 1) + place for row in range(3) for place in range(batch.start, len(places) - 1)]
    assert batch.rows.tolist() == expected


def test_a_batch_without_a_label_is_an_error() -> None:
    places = place_shape(SHAPES[0], SCHEMES[0])
    ids = ids_of(places)
    with pytest.raises(ValueError, match="no label bears a loss"):
        PlacedBatch(ids, torch.full_like(ids, IGNORE), places)


def test_places_that_depend_on_a_problem_have_to_be_given() -> None:
    for scheme in (SCHEMES[0], SCHEMES[3], SCHEMES[7]):
        with pytest.raises(ValueError, match=f"positions.ids {scheme.ids} needs the places of the tokens"):
            lively(scheme)(torch.ones(1, 4, dtype=torch.int64))


def test_the_order_of_tokens_needs_no_places() -> None:
    model = lively(SCHEMES[6])
    ids = torch.randint(2, VOCAB, (2, 9), generator=torch.Generator().manual_seed(0))
    given = model(ids, places=place_sequence(9, 0, SCHEMES[6])).logits
    assert torch.equal(model(ids).logits, given)
    labels = ids.masked_fill(torch.arange(9) < 4, IGNORE)
    batch = model.batch(ids, labels)
    expected = F.cross_entropy(given[:, 3:-1].flatten(0, 1), ids[:, 4:].flatten())
    torch.testing.assert_close(model.loss(batch), expected)


def test_gpt2s_own_scheme_keeps_gpt2s_own_path() -> None:
    model = lively(Positions())
    ids = torch.randint(2, VOCAB, (2, 9), generator=torch.Generator().manual_seed(0))
    assert isinstance(model.batch(ids, ids), LossBatch)
    names = set(model.state_dict())
    assert "wpe.weight" in names and not any(name.startswith("positions.") for name in names)
    other = set(lively(SCHEMES[0]).state_dict())
    added = {"positions.segment.weight", "positions.next_segment.weight", "positions.bias"}
    assert other - names == added and names - other == {"wpe.weight"}


def test_a_window_hides_what_is_far() -> None:
    """Of two layers with a window of 1 the last token hears nothing from three tokens before it."""
    scheme = Positions("sequential", "rotary", (1,))
    model = lively(scheme)
    ids = torch.randint(2, VOCAB, (1, 8), generator=torch.Generator().manual_seed(0))
    before, changed = model(ids).logits[0, -1], ids.clone()
    changed[0, 4] = 2 if ids[0, 4] != 2 else 3
    assert torch.equal(model(changed).logits[0, -1], before)
    changed[0, 5] = 2 if ids[0, 5] != 2 else 3
    assert not torch.allclose(model(changed).logits[0, -1], before)


def test_a_new_model_finds_every_token_equally_probable() -> None:
    for scheme in SCHEMES:
        torch.manual_seed(1)
        model = GPT(GPTConfig(VOCAB, 99, 16, 2, 2, 24, positions=scheme))
        places = place_shape(SHAPES[2], scheme)
        ids = ids_of(places, 64)
        assert abs(model.loss(model.batch(ids, ids, places)) - torch.tensor(VOCAB).log()) < 0.1
