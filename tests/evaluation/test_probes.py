"""Probes: a planted direction is found, noise and what the tokens give away are not, and carries are Python's own."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic.columns import Shape
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation import linear_probes, probes
from calcgpt.evaluation.linear_probes import is_readable, probe
from calcgpt.evaluation.probes import EQUALS, WRITING, carries_into, probe_carries
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.gpt import GPT


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features in which one direction says the label, labels, and what is held out."""
    rng = np.random.default_rng(0)
    labels = rng.random(1200) < 0.4
    features = rng.normal(size=(1200, 24)) * rng.uniform(0.1, 30, 24) + rng.normal(size=24)
    features += np.outer(np.where(labels, 1, -1), rng.normal(size=24)) * 8
    features[:, 3] = 7.0  # says nothing, and has no spread
    return features, labels, rng.random(1200) < 0.3


@pytest.fixture(scope="module")
def noise(planted: Any) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(len(planted[1]), 24))


def test_a_planted_direction_is_found(planted: Any, noise: np.ndarray) -> None:
    features, labels, test = planted
    found = probe(features, [noise], labels, test, np.random.default_rng(1))
    assert found["accuracy"] > 0.98 and is_readable(found)
    assert found["problems"] == test.sum()
    assert found["majority"] == max(labels[test].mean(), 1 - labels[test].mean())
    assert max(found["shuffled"], found["untrained"]) < found["majority"] + 0.05


def test_noise_is_not_readable(planted: Any, noise: np.ndarray) -> None:
    _, labels, test = planted
    found = probe(noise, [noise], labels, test, np.random.default_rng(1))
    assert abs(found["accuracy"] - found["majority"]) < 0.08 and not is_readable(found)


def test_what_an_untrained_network_gives_away_is_not_readable(planted: Any, noise: np.ndarray) -> None:
    features, labels, test = planted
    other = np.where(labels, 1.0, -1.0)[:, None] + noise / 100
    for untrained in ([other], [noise, other], [other, noise]):  # the best of them counts
        found = probe(features, untrained, labels, test, np.random.default_rng(1))
        assert found["accuracy"] > 0.98 and found["untrained"] == 1 and not is_readable(found)


@pytest.mark.parametrize("control", ["shuffled", "untrained", "majority"])
def test_readable_is_above_each_control_beyond_chance(control: str) -> None:
    row = {"accuracy": 0.97, "shuffled": 0.5, "untrained": 0.5, "majority": 0.5, "problems": 500}
    assert is_readable({**row, control: 0.95})  # Wilson's interval of 97% of 500 begins at 95.1%
    assert not is_readable({**row, control: 0.952})
    assert not is_readable({**row, "accuracy": 0.94})


def test_accuracies_are_those_of_held_out_rows() -> None:
    """With more channels than rows any labels can be fitted, so rows that were fitted to tell nothing."""
    rng = np.random.default_rng(6)
    labels, test = rng.random(800) < 0.5, np.arange(800) % 4 == 0
    features, other = rng.normal(size=(2, 800, 900))
    weights = linear_probes._fit(features[~test], labels[~test])
    assert ((features[~test] @ weights[:-1] + weights[-1] > 0) == labels[~test]).all()
    found = probe(features, [other], labels, test, np.random.default_rng(1))
    for name in ("accuracy", "shuffled", "untrained"):
        assert 0.38 < found[name] < 0.62, name
    assert found["problems"] == 200


def test_the_regression_is_at_its_minimum(planted: Any) -> None:
    features, labels, _ = planted
    x = (features - features.mean(0)) / np.where(features.std(0) > 0, features.std(0), 1)
    noisy = labels ^ (np.random.default_rng(3).random(len(labels)) < 0.2)
    weights = torch.tensor(linear_probes._fit(x, noisy), requires_grad=True)
    scores = torch.tensor(x) @ weights[:-1] + weights[-1]
    target = torch.tensor(noisy, dtype=torch.float64)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, target, reduction="sum")
    (slope,) = torch.autograd.grad(loss + (weights[:-1] ** 2).sum() / 2, weights)
    assert float(slope.abs().max()) < 1e-2


@pytest.mark.parametrize("symbol", ["+", "-"])
def test_carries_are_those_of_python(symbol: str) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 10_000, (2, 500))
    if symbol == "-":
        a, b = np.maximum(a, b), np.minimum(a, b)
    bits = carries_into(symbol, d.from_integers(a, 4), d.from_integers(b, 4))
    for column in range(5):
        low = 10**column
        expected = a % low + b % low >= low if symbol == "+" else a % low < b % low
        assert (bits[:, column] == expected).all()


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch, stub: Callable[..., CalcGPT]) -> Callable[[int | None], dict[str, Any]]:
    """A report on streams in which the carry stands from a layer on, where columns are written; None for nowhere.
    In an untrained network it stands in the embedding."""

    def run(layer: int | None) -> dict[str, Any]:
        rows = probes._all_rows

        def planted(own: Any, untrained: Any, reading: Any, carries: np.ndarray, *more: Any) -> Any:
            rng = np.random.default_rng(5)
            noise, *others = (
                {name: rng.normal(size=part.shape) for name, part in streams.items()} for streams in (own, *untrained)
            )
            others[-1][WRITING][0, :, :, 0] += np.where(carries, 9, -9)
            if layer is not None:
                noise[WRITING][layer:, :, :, 0] += np.where(carries, 9, -9)
            return rows(noise, others, reading, carries, *more)

        monkeypatch.setattr(probes, "_all_rows", planted)
        return probe_carries(stub(Task(max_value=999), notation=Notation(width=3, answer_width=4)), count=800)

    return run


def test_the_first_layer_is_the_one_where_it_is_planted(plant: Callable[..., dict[str, Any]]) -> None:
    report = plant(1)
    assert report["layers"] == ["embedding", "layer 1"] and report["columns"] == [1, 2, 3]
    assert report["right"] == report["problems"] == report["training"] + report["test"] <= 800
    first = report["first"][WRITING]
    assert first["layer"] == 1 and first["columns"] == [1, 2, 3] and first["accuracy"] > 0.99
    assert report["first"][EQUALS] is None
    for row in report["rows"]:
        planted = row["position"] == WRITING and row["layer"] == 1
        assert (row["accuracy"] > 0.97) == planted
        assert (row["untrained"] > 0.97) == (row["position"] == WRITING and row["layer"] == 0)
        assert row["shuffled"] < row["majority"] + 0.1
    own = [row["untrained"] for row in report["rows"] if (row["position"], row["layer"]) == (WRITING, 1)]
    assert first["untrained"] == pytest.approx(np.mean(own))
    json.dumps(report)


def test_nothing_is_claimed_of_noise(plant: Callable[..., dict[str, Any]]) -> None:
    assert plant(None)["first"] == {EQUALS: None, WRITING: None}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_untrained_network_is_readable(
    stub: Callable[..., CalcGPT], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Where the token that writes a column is the carry, any network's embedding gives the carry away."""
    read = probes._read_text

    def telling(solver: CalcGPT, *given: Any) -> Any:
        reading, carries, right = read(solver, *given)
        digits = torch.tensor([solver.tokenizer.vocab[digit] for digit in "01"])
        rows, columns = np.nonzero(reading.writing >= 0)
        reading.tokens[rows, reading.writing[rows, columns]] = digits[carries[rows, columns].astype(int)]
        return reading, carries, right

    monkeypatch.setattr(probes, "_read_text", telling)
    solver = stub(Task(max_value=999), notation=Notation(width=3, answer_width=4))
    torch.manual_seed(100 + seed)
    solver.model = GPT(solver.model.config).eval()
    report = probe_carries(solver, count=800, seed=seed)
    told = [row for row in report["rows"] if row["position"] == WRITING]
    assert len(told) == 6 and all(row["accuracy"] == row["untrained"] == 1 for row in told if not row["layer"])
    assert any(is_readable({**row, "untrained": 0.5}) for row in told)  # nothing else holds it back
    assert report["first"] == {EQUALS: None, WRITING: None}


def test_the_untrained_networks_read_what_the_model_reads(
    stub: Callable[..., CalcGPT], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    streams = probes._streams
    monkeypatch.setattr(probes, "_streams", lambda *given: kept.append(given) or streams(*given))
    solver = stub(Task(max_value=99), notation=Notation(width=2, answer_width=3))
    probe_carries(solver, count=300, operation="+")
    models, readings = zip(*kept, strict=True)
    assert len({id(reading) for reading in readings}) == 1 and sum(model is solver.model for model in models) == 1
    assert all(model.config == solver.model.config and not model.training for model in models)
    assert len({model.wte.weight[0, 0].item() for model in models}) == len(models) == 1 + probes._UNTRAINED


def test_the_global_random_state_is_as_before(stub: Callable[..., CalcGPT]) -> None:
    solver = stub(Task(max_value=99))
    reports = []
    for seed in (1, 2):  # which it does not depend on either
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
        reports.append(probe_carries(solver, count=300, operation="+"))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert (np.random.get_state()[1] == before[1]).all() and random.getstate() == before[2]
    assert reports[0] == reports[1]


def test_where_a_plain_model_writes_its_columns(stub: Callable[..., CalcGPT], monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    streams = probes._streams
    monkeypatch.setattr(probes, "_streams", lambda *given: kept.append(given) or streams(*given))
    for notation in (Notation(width=2, answer_width=3), Notation(width=2, answer_width=3, reverse=True), Notation()):
        solver = stub(Task(max_value=99), notation=notation)
        probe_carries(solver, count=300, operation="+")
        reading = kept.pop()[1]  # the same for every network
        for tokens, writing, equals in zip(reading.tokens.tolist(), reading.writing, reading.equals, strict=True):
            text = solver.tokenizer.decode(tokens)
            prompt, _, completion = text.partition("=")
            assert equals == len(prompt)
            total = sum(map(int, prompt.split("+")))
            for place, at in enumerate(writing.tolist()):
                assert at < 0 or text[at + 1] == str(total // 10**place % 10)
            assert (writing >= 0).sum() == len(completion.lstrip("+"))


def test_where_columns_are_written() -> None:
    def tokens(symbol: str, signed: bool) -> list[int]:
        return probes._column_tokens(Shape(symbol, (2, 2), signed)).tolist()

    assert tokens("+", False) == [6, 7, 8]  # 12+34=640
    assert tokens("-", False) == [6, 7]  # 12-34=87-22: the columns, not the magnitude
    assert tokens("+", True) == [9, 10, 11]  # +12++34=+640+640


def test_the_shipped_calculator_has_the_carry_where_it_writes_the_column() -> None:
    report = probe_carries(CalcGPT("calculator", device="cpu"), count=800, operation="-")
    assert report["columns"] == [1, 2, 3, 4] and report["problems"] > 780
    first = report["first"][WRITING]
    assert first["layer"] == 1 and first["columns"] == [1, 2, 3, 4] and first["accuracy"] > 0.98
    assert report["first"][EQUALS] is None and first["shuffled"] < 0.7


def test_a_report_repeats_with_its_seed() -> None:
    solver = CalcGPT("calculator", device="cpu")
    first, again, other = (probe_carries(solver, count=200, seed=seed) for seed in (1, 1, 2))
    assert first == again and first["rows"] != other["rows"]


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (Task(("*",), max_value=9), {}, "trained on neither"),
        (Task(("+",), max_value=99), {"operation": "-"}, "those of \\+, not of '-'"),
        (Task(("+",), max_value=99), {"operation": "*"}, "those of \\+, not of '\\*'"),
        (Task(("+",), max_value=99), {"count": 10}, "at least 160"),
        (Task(("+",), max_value=9), {}, "to tell"),  # 55 different sums
        (Task(("+",), min_value=-9, max_value=-1), {}, "0 or more"),
    ],
)
def test_what_cannot_be_probed(stub: Callable[..., CalcGPT], task: Task, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        probe_carries(stub(task), **options)
    assert "\n" not in str(raised.value)


def test_a_model_that_writes_no_number(stub: Callable[..., CalcGPT]) -> None:
    mute = stub(Task(max_value=99), mute=lambda problems: np.ones(len(problems), bool))
    with pytest.raises(ConfigError, match="no number"):
        probe_carries(mute)
