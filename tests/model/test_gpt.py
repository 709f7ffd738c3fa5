"""The network against transformers' GPT-2: logits, loss and gradients; and against itself, computing less."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from calcgpt.errors import ModelFolderError
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT, IGNORE, LossBatch

CONFIG = GPTConfig(
    vocab_size=13, max_length=11, embedding_dim=24, num_layers=3, num_heads=4, feedforward_dim=40, pad_id=0, end_id=1
)


def lively(config: GPTConfig = CONFIG, seed: int = 0) -> GPT:
    """A model whose logits are far from even, and whose biases and norms matter."""
    torch.manual_seed(seed)
    model = GPT(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def batch(lengths: list[int], prompt: int | list[int] = 3, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Right-padded ids, and labels from `prompt` on."""
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths)
    ids = torch.randint(2, CONFIG.vocab_size, (len(lengths), width), generator=generator)
    place, size = torch.arange(width), torch.tensor(lengths)[:, None]
    ids = ids.masked_fill(place >= size, CONFIG.pad_id)
    start = torch.tensor(prompt).expand(len(lengths))[:, None]
    return ids, ids.masked_fill((place >= size) | (place < start), IGNORE)


BATCHES = {
    "uniform": batch([9, 9, 9, 9]),
    "ragged": batch([9, 4, 7, 5, 11], prompt=[3, 2, 5, 1, 6]),
    "one row": batch([6], prompt=5),
    "a row without a loss": batch([8, 3, 8], prompt=[2, 5, 4]),
    "everything bears a loss": batch([7, 5, 6], prompt=0),
    "scattered": (batch([10, 10])[0], batch([10, 10])[0].masked_fill(torch.arange(10) % 3 != 1, IGNORE)),
}


@pytest.fixture(params=BATCHES, ids=[name.replace(" ", "-") for name in BATCHES])
def data(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    return BATCHES[request.param]


@pytest.fixture(scope="module")
def theirs() -> Any:
    transformers = pytest.importorskip("transformers")
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config.from_dict(CONFIG.to_dict())).eval()
    model.transformer.load_state_dict(lively().state_dict())  # strict: the names and shapes are the same
    return model


def gradients(model: torch.nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {name.removeprefix("transformer."): value.grad for name, value in model.named_parameters()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=2e-6, rtol=2e-5)


def test_transformers_computes_the_same(theirs: Any, data: tuple[Tensor, Tensor]) -> None:
    ours, (ids, labels) = lively(), data
    expected, found = theirs(ids, labels=labels), ours(ids, labels=labels)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-6, rtol=1e-6)
    assert_same(gradients(ours, found.loss), gradients(theirs, expected.loss))
    assert ours.num_parameters == theirs.num_parameters()


def test_the_loss_alone_is_the_same_loss(data: tuple[Tensor, Tensor]) -> None:
    model, (ids, labels) = lively(), data
    whole, part = model(ids, labels).loss, model.loss(LossBatch(ids, labels))
    torch.testing.assert_close(part, whole, atol=1e-6, rtol=1e-6)
    assert_same(gradients(model, part), gradients(model, whole))


def test_a_loss_batch_holds_only_what_is_needed() -> None:
    ids, labels = BATCHES["ragged"]
    found = LossBatch(ids, labels)
    assert len(found.tokens) == sum(length - 1 for length in [9, 4, 7, 5, 11]), "the last token predicts nothing"
    assert len(found.rows) == len(found.targets) == int((labels[:, 1:] != IGNORE).sum())


def test_a_batch_without_a_label_is_an_error() -> None:
    ids = torch.ones(2, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="no label bears a loss"):
        LossBatch(ids, torch.full_like(ids, IGNORE))


def test_later_tokens_change_nothing_before() -> None:
    model = lively()
    ids = batch([11] * 3, seed=5)[0]
    before = model(ids).logits
    for place in range(1, 11):
        changed = ids.clone()
        changed[:, place:] = torch.randint(2, CONFIG.vocab_size, changed[:, place:].shape)
        torch.testing.assert_close(model(changed).logits[:, :place], before[:, :place], atol=1e-6, rtol=0)
        assert not torch.allclose(model(changed).logits[:, place:], before[:, place:])


def test_padding_changes_nothing() -> None:
    model, (ids, labels) = lively(), BATCHES["ragged"]
    for row, length in enumerate([9, 4, 7, 5, 11]):
        alone = model(ids[row : row + 1, :length]).logits[0]
        torch.testing.assert_close(model(ids).logits[row, :length], alone, atol=1e-5, rtol=1e-5)
    wider = torch.nn.functional.pad(ids[:4, :9], (0, 2)), torch.nn.functional.pad(labels[:4, :9], (0, 2), value=IGNORE)
    narrow = model.loss(LossBatch(ids[:4, :9], labels[:4, :9]))
    torch.testing.assert_close(model.loss(LossBatch(*wider)), narrow, atol=1e-6, rtol=1e-6)


def test_dropout_acts_in_training_only() -> None:
    import dataclasses

    model, (ids, labels) = lively(dataclasses.replace(CONFIG, dropout=0.5)), BATCHES["ragged"]
    assert torch.equal(model(ids).logits, model(ids).logits)
    torch.testing.assert_close(model(ids).logits, lively()(ids).logits)
    model.train()
    assert not torch.equal(model(ids).logits, model(ids).logits)
    assert model.loss(LossBatch(ids, labels)) != model.loss(LossBatch(ids, labels))


def test_a_seed_fixes_the_weights_and_they_start_small() -> None:
    def fresh(seed: int) -> GPT:
        torch.manual_seed(seed)
        return GPT(CONFIG)

    one, same, other = fresh(1), fresh(1), fresh(2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.wte.weight, other.wte.weight)
    ids, labels = batch([9] * 64)
    even = torch.tensor(float(CONFIG.vocab_size)).log()
    assert abs(one(ids, labels).loss - even) < 0.1, "a new model finds every token equally probable"


def test_weights_are_taken_over_by_name(theirs: Any) -> None:
    model = GPT(CONFIG)
    model.load_weights(theirs.state_dict())  # transformers' prefix, and its copy of the tied head
    ids = BATCHES["ragged"][0]
    torch.testing.assert_close(model.eval()(ids).logits, lively()(ids).logits)
    good = lively().state_dict()
    for bad, reason in [
        ({}, r"should be .*, and is missing"),
        ({**good, "wte.weight": torch.zeros(13, 25)}, r"wte.weight should be \(13, 24\), and is \(13, 25\)"),
        ({**good, "extra": torch.zeros(2)}, r"extra should be absent, and is \(2,\)"),
    ]:
        with pytest.raises(ModelFolderError, match=f"the weights do not fit config.json: .*{reason}") as caught:
            GPT(CONFIG).load_weights(bad)
        assert not re.search(r"\n", str(caught.value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_no_model(value: float) -> None:
    state = lively().state_dict()
    state["h.1.mlp.c_fc.bias"][3] = value
    with pytest.raises(ModelFolderError, match=r"not finite \(h.1.mlp.c_fc.bias\).*lower learning rate"):
        GPT(CONFIG).load_weights(state)
