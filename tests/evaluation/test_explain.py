"""Looking inside: attention against the model's own forward pass and transformers', tokens against what was solved."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.columns import Shape
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, UnsupportedProblem
from calcgpt.evaluation import explain as module
from calcgpt.evaluation.explain import Explanation, explain, look_inside
from calcgpt.evaluation.roles import answer_roles, by_token, column_roles, meaning, place_name, prompt_roles
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.store import write_model
from calcgpt.tokens.places import place_sequence, place_shape
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

COUPLED = Positions(ids="coupled", encoding="relative", window=(1,), segments=True, ahead=True)
SCHEMES = {
    "gpt2": Positions(),
    "coupled": COUPLED,
    "abacus": Positions(ids="abacus", encoding="learned"),
    "rotary": Positions(encoding="rotary"),
    "windowed": Positions(encoding="alibi", window=(3,)),
    "fire": Positions(encoding="fire"),
    "ahead": Positions(ids="coupled", encoding="rotary", window=(1,), ahead=True),
    "coupled rotary": Positions(ids="coupled", encoding="rotary", window=(2,)),
}


def make_solver(scheme: Positions, notation: Notation, mode: str = "char", seed: int = 0) -> CalcGPT:
    """A solver with lively random weights, which answers anything."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.build(["0123456789+-*/%=()"], mode)
    model = GPT(GPTConfig(len(tokenizer), 24, 16, 2, 2, 32, positions=scheme))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
    task = Task(operations=("+", "-", "*", "//", "%"), max_digits=(3,) if notation.work == "columns" else ())
    run = {"config": {"notation": dataclasses.asdict(notation)}, "data": {"tasks": [task.to_dict()]}}
    return CalcGPT.from_parts(model.eval(), tokenizer, run)


def solver_for(name: str) -> CalcGPT:
    scheme = SCHEMES[name]
    columns = Notation(work="columns")
    return make_solver(scheme, columns if scheme.needs_shape else Notation())


def ids_of(solver: CalcGPT, explanation: Explanation) -> torch.Tensor:
    """What the model read: all tokens but the last."""
    return torch.tensor([[solver.tokenizer.vocab[token.text] for token in explanation.tokens[:-1]]])


def places_of(solver: CalcGPT, shape: Shape, prompt: int) -> Any:
    scheme = solver.model.config.positions
    if scheme.plain:
        return None
    return place_shape(shape, scheme) if scheme.needs_shape else place_sequence(24, prompt, scheme)


@pytest.mark.parametrize("name", SCHEMES)
def test_rows_sum_to_one_and_are_causal(name: str) -> None:
    explanation = explain(solver_for(name), "12+345")
    before, written = len(explanation.prompt), len(explanation.written)
    assert explanation.attention.shape == (2, 2, written, before + written - 1)
    np.testing.assert_allclose(explanation.attention.sum(-1), 1, atol=1e-5)
    for index in range(written):
        assert not explanation.attention[:, :, index, before + index :].any()
    assert (explanation.attention >= 0).all()


@pytest.mark.parametrize("name", SCHEMES)
def test_attention_gives_what_the_models_own_forward_gives(name: str) -> None:
    solver = solver_for(name)
    explanation = explain(solver, "12+345")
    ids, before = ids_of(solver, explanation), len(explanation.prompt)
    kept: dict[str, torch.Tensor] = {}
    hooks = []
    for layer, block in enumerate(solver.model.h):
        for part, inner in (("qkv", block.attn.c_attn), ("out", block.attn)):
            key = f"{part} {layer}"
            hooks.append(inner.register_forward_hook(lambda m, i, o, key=key: kept.update({key: o.detach()})))
    with torch.no_grad():
        own = solver.model(ids, places=places_of(solver, Shape("+", (3, 3)), before))
    for hook in hooks:
        hook.remove()
    for layer, block in enumerate(solver.model.h):
        value = kept[f"qkv {layer}"][:, 32:].view(-1, 2, 8)  # (S, H, D)
        weights = torch.from_numpy(explanation.attention[layer])
        gathered = torch.einsum("hqk,khd->qhd", weights, value).flatten(1)
        out = block.attn.c_proj(gathered)
        torch.testing.assert_close(out, kept[f"out {layer}"][before - 1 :], atol=2e-5, rtol=1e-4)
    logits = own.logits[0, before - 1 :]
    logits[:, solver.tokenizer.pad_id] = float("-inf")
    shares = logits.softmax(-1)
    for row, token in zip(shares, explanation.written, strict=True):
        assert token.probability == pytest.approx(float(row[solver.tokenizer.vocab[token.text]]), abs=1e-5)
        found = dict(token.rivals)
        best = sorted(set(row.tolist()) - {float(row.max())}, reverse=True)[: len(found)]
        assert list(found.values()) == pytest.approx(best, abs=1e-5) and token.text not in found


@pytest.mark.parametrize("name", SCHEMES)
def test_the_completion_is_what_solve_writes(name: str) -> None:
    solver = solver_for(name)
    for problem in ("12+345", "9-12", "7+8"):
        explanation, solved = explain(solver, problem), solver.solve(problem, token_details=True)
        assert [token.text for token in explanation.written] == [token["token"] for token in solved["tokens"]]
        shares = [token["probability"] for token in solved["tokens"]]
        assert [token.probability for token in explanation.written] == pytest.approx(shares, abs=1e-5)
        assert explanation.answer == solved["answer"] and explanation.is_correct == solved["is_correct"]
        assert explanation.confidence == solved["confidence"]


def test_the_stream_ends_in_the_logits() -> None:
    for name in SCHEMES:
        solver = solver_for(name)
        ids = torch.tensor([solver.tokenizer.encode("012+345="), solver.tokenizer.encode("987+654=")])
        places = places_of(solver, Shape("+", (3, 3)), 8)
        stream, weights = look_inside(solver.model, ids, places)
        assert stream.shape == (3, 2, 8, 16) and weights == []
        expected = solver.model(ids, places=places).logits
        torch.testing.assert_close(solver.model.head(stream[-1]), expected, atol=2e-5, rtol=1e-4)


def test_a_plain_models_attention_is_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    for mode in ("char", "number"):
        solver = make_solver(Positions(), Notation(), mode)
        folder = tmp_path / mode
        folder.mkdir()
        write_model(folder, solver.model.state_dict(), solver.model.config.to_dict(), solver.tokenizer, {})
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
        explanation = explain(solver, "12+345")
        with torch.no_grad():
            found = theirs(ids_of(solver, explanation), output_attentions=True).attentions
        expected = torch.cat(found)[:, :, len(explanation.prompt) - 1 :].numpy()
        np.testing.assert_allclose(explanation.attention, expected, atol=1e-5)


def test_the_shipped_calculator_at_long_work() -> None:
    solver = CalcGPT("calculator", device="cpu")
    expected = {"478+256": "+4370", "7-45": "-830", "12*-34": "-8040", "-7//3": "-3", "17%5": "+20"}
    for problem, digits in expected.items():
        explanation = explain(solver, problem)
        assert explanation.is_correct, problem
        own = [explanation.written[index] for index in explanation.answer_tokens]
        assert "".join(token.text for token in own) == digits and all(token.is_right for token in own)
        assert [token.places for token in own if token.places] == [(place,) for place in range(len(digits) - 1)]
        assert explanation.written[-1].meaning == "the end"


def test_what_of_a_plain_completion_is_the_answer(tiny_model: Path) -> None:
    solver = CalcGPT(tiny_model, device="cpu")
    explanation = explain(solver, "7+5", top=2)
    assert [token.meaning for token in explanation.prompt] == [
        "units of the first operand", "the operator", "units of the second operand", "the equals sign",
    ]  # fmt: skip
    sign, tens, units, end = explanation.written
    assert (sign.is_sign, sign.expected, tens.places, units.places, end.in_answer) == (True, "+", (1,), (0,), False)
    assert (tens.expected, units.expected) == ("1", "2") and explanation.solution == "12"
    assert all(len(token.rivals) <= 2 for token in explanation.written)
    assert units.is_right == (units.text == "2")


def test_json_has_it_all() -> None:
    explanation = explain(solver_for("coupled"), "12+345")
    told = json.loads(json.dumps(explanation.to_dict()))
    assert told["layers"] == told["heads"] == 2 and len(told["tokens"]) == len(explanation.tokens)
    for index, row in enumerate(told["written"]):
        assert row["index"] == told["prompt_tokens"] + index
        assert told["tokens"][row["index"]]["token"] == row["token"]
        dense = np.zeros((2, 2, explanation.attention.shape[3]))
        dense[:, :, row["attention"]["tokens"]] = row["attention"]["weights"]
        np.testing.assert_allclose(dense, explanation.attention[:, :, index], atol=1e-6)


def test_the_most_attended_come_first() -> None:
    explanation = explain(solver_for("gpt2"), "12+345")
    found = explanation.attended(1, 0, 1, 3)
    weights = explanation.attention[0, 1, 1]
    assert [weight for _, weight in found] == sorted(weights.tolist(), reverse=True)[:3]
    assert all(weights[token] == weight for token, weight in found)
    seen = [token for token, _ in explanation.attended(1, 0, 1, 1000)]
    assert sorted(seen) == np.flatnonzero(weights).tolist() != list(range(len(weights))), "later tokens are not seen"


@pytest.mark.parametrize("problem", ["hello", "1/0", "1//0", "3^4"])
@pytest.mark.parametrize("name", ["gpt2", "coupled"])
def test_what_cannot_be_asked_is_refused_as_solve_refuses_it(name: str, problem: str) -> None:
    solver = solver_for(name)
    with pytest.raises(UnsupportedProblem) as raised:
        explain(solver, problem)
    assert str(raised.value) == solver.solve(problem)["error"] and "\n" not in str(raised.value)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="top must be at least 1, not 0"):
        explain(solver_for("gpt2"), "1+2", top=0)
    monkeypatch.setattr(module, "_MOST", 10)
    with pytest.raises(UnsupportedProblem, match="expected a shorter problem"):
        explain(solver_for("gpt2"), "1+2")


@pytest.mark.parametrize(
    ("notation", "prompt", "expected"),
    [
        (Notation(), "-12-(-3)=", "sign1 10 1 op bracket sign2 1 bracket eq"),
        (Notation(), "12//3=", "10 1 op op 1 eq"),
        (Notation(width=2), "12+03=", "10 1 op 10 1 eq"),
        (Notation(width=2, interleave=True), "//1023=", "op op 10 10 1 1 eq"),
    ],
)
def test_roles_of_a_prompt(notation: Notation, prompt: str, expected: str) -> None:
    short = {"the sign of the first operand": "sign1", "the sign of the second operand": "sign2"}
    short |= {"the operator": "op", "the equals sign": "eq", "a bracket": "bracket"}
    roles = prompt_roles(notation, prompt)
    assert [short.get(role.owner, str(10 ** (role.place or 0))) for role in roles] == expected.split()


def test_roles_of_an_answer() -> None:
    def places(notation: Notation, text: str) -> list[tuple[str, int | None]]:
        return [(role.owner.split()[-1], role.place) for role in answer_roles(notation, text)]

    assert places(Notation(), "-38") == [("answer", None), ("answer", 1), ("answer", 0)]
    assert places(Notation(reverse=True), "83") == [("answer", 0), ("answer", 1)]
    worked = Notation(width=2, answer_width=3, reverse=True, complement=True)
    assert places(worked, "26-83") == [("leave", 0), ("leave", 1), ("answer", None), ("answer", 0), ("answer", 1)]
    assert places(Notation(), "3+") == [("wrote", None)] * 2
    assert places(Notation(), "12") and all(role.place is None for role in answer_roles(Notation(), "12", False))


def test_a_token_of_two_digits_has_two_places() -> None:
    parts = by_token(["12", "+", "3", "="], prompt_roles(Notation(), "12+3="))
    assert [meaning(part) for part in parts][0] == "tens and units of the first operand"
    assert (place_name(0), place_name(6), place_name(7)) == ("units", "millions", "10^7 place")


def test_of_a_token_of_two_digits_two_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    solver = make_solver(Positions(), Notation(), "number")
    for written, expected in ((["46"], ["46"]), (["4", "7"], ["4", "6"]), (["14", "6"], ["04", "6"])):
        result = solver.solve("12+34") | {"answer": "".join(written)}
        tokens = [{"token": text, "probability": 0.5} for text in (*written, "<eos>")]
        monkeypatch.setattr(solver, "solve", lambda *_, r={**result, "tokens": tokens}, **__: r)
        explanation = explain(solver, "12+34")
        monkeypatch.undo()
        own = [explanation.written[index] for index in explanation.answer_tokens]
        assert [token.expected for token in own] == expected
        assert [token.is_right for token in own] == [text == true for text, true in zip(written, expected, strict=True)]
        assert sum((token.places for token in own), ()) == tuple(reversed(range(len("".join(written)))))


@pytest.mark.parametrize("symbol", ["+", "-", "*", "//", "%"])
@pytest.mark.parametrize("signed", [False, True])
def test_every_token_of_a_shape_has_a_meaning(symbol: str, signed: bool) -> None:
    shape = Shape(symbol, (2, 2), signed)
    words = [meaning([role]) for role in column_roles(shape)]
    assert len(words) == len(place_shape(shape, COUPLED)) and words[-1] == "the end" and all(words)
    assert not any("-1" in text or "segment" in text for text in words)
    assert words.count("the sign of the answer") == (signed or symbol == "-")


def test_operands_of_a_long_sum_are_numbered() -> None:
    words = [meaning([role]) for role in column_roles(Shape("+", (1, 1, 1)))]
    assert [text for text in words if "operand" in text] == [f"units of operand {n}" for n in (1, 2, 3)]
    assert words[-2] == "units of the running sum, row 3"
