"""Looking inside a model while it answers one problem: probabilities, rivals, and what each head looks at.

Sizes: B batch, T tokens, C channels, H heads, D = C / H, L layers; P prompt tokens, W written tokens (the end among
them), S = P + W - 1 tokens that are read: the last one written is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calcgpt.arithmetic import traces
from calcgpt.arithmetic.columns import group, parse_columns
from calcgpt.arithmetic.integers import format_integer
from calcgpt.arithmetic.problems import from_expressions
from calcgpt.errors import ConfigError, UnsupportedProblem
from calcgpt.evaluation.roles import (
    ANSWER,
    END_NAME,
    SIGN,
    Role,
    answer_roles,
    by_token,
    column_roles,
    meaning,
    places_of,
    prompt_roles,
)
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.gpt import GPT
from calcgpt.model.positions import scale, sight
from calcgpt.runtime.device import without_autocast
from calcgpt.tokens.encoding import encode_written
from calcgpt.tokens.places import Places, place_sequence, place_shape
from calcgpt.tokens.tokenizer import END

_MOST = 2**27  # weights of one layer, and of all that are kept: half a gigabyte


@dataclass(frozen=True)
class Token:
    """A token that the model reads: its text, and what it is for, such as "units of the first operand"."""

    text: str
    meaning: str


@dataclass(frozen=True)
class WrittenToken(Token):
    """A token that the model wrote.

    probability: that it gave to it. rivals: the most probable others, and theirs. places: of a token of the answer the
    place of each digit in it, 0 for the units; elsewhere (). is_sign: whether it is the answer's sign. expected: of
    such tokens what the solution has there, else None.
    """

    probability: float
    rivals: tuple[tuple[str, float], ...]
    places: tuple[int, ...] = ()
    is_sign: bool = False
    expected: str | None = None

    @property
    def in_answer(self) -> bool:
        """Whether it is one of the tokens that the answer is read from."""
        return bool(self.places) or self.is_sign

    @property
    def is_right(self) -> bool:
        """Whether it is what the solution has there; of tokens outside the answer nothing is expected."""
        return self.expected in (None, self.text)


@dataclass(frozen=True, eq=False)
class Explanation:
    """How a model answered a problem.

    problem, answer, solution, is_correct, confidence, in_distribution: as `CalcGPT.solve` says them. prompt, written:
    the tokens, in order. attention: (L, H, W, S), for each written token the weights with which the token before it,
    which wrote it, looks at itself and at those before it; each row sums to 1.
    """

    problem: str
    answer: str | None
    solution: str
    is_correct: bool
    confidence: float
    in_distribution: bool
    prompt: tuple[Token, ...]
    written: tuple[WrittenToken, ...]
    attention: NDArray[np.float32] = field(repr=False)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """All tokens, prompt and written."""
        return (*self.prompt, *self.written)

    @property
    def answer_tokens(self) -> list[int]:
        """Which of the written tokens the answer is read from; empty where it is no number."""
        return [index for index, token in enumerate(self.written) if token.in_answer]

    def attended(self, index: int, layer: int, head: int, top: int) -> list[tuple[int, float]]:
        """The `top` tokens that a head looks at most while a written token is chosen, and their weights."""
        weights = self.attention[layer, head, index]
        order = np.argsort(-weights, kind="stable")[:top].tolist()
        return [(token, float(weights[token])) for token in order if weights[token] > 0]

    def _repr_html_(self) -> str:  # what a notebook shows
        from calcgpt.evaluation.explain_page import page

        return page(self)._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them; of attention the tokens that some head looks at, by written token."""
        names = ("problem", "answer", "solution", "is_correct", "confidence", "in_distribution")
        layers, heads = self.attention.shape[:2]
        return {
            **{name: getattr(self, name) for name in names},
            "layers": layers,
            "heads": heads,
            "tokens": [{"token": token.text, "meaning": token.meaning} for token in self.tokens],
            "prompt_tokens": len(self.prompt),
            "written": [self._row(index, token) for index, token in enumerate(self.written)],
        }

    def _row(self, index: int, token: WrittenToken) -> dict[str, Any]:
        weights = self.attention[:, :, index]
        seen = np.flatnonzero((weights > 0).any((0, 1)))
        return {
            "index": len(self.prompt) + index,
            "token": token.text,
            "meaning": token.meaning,
            "probability": token.probability,
            "rivals": [{"token": text, "probability": share} for text, share in token.rivals],
            "places": list(token.places),
            "is_sign": token.is_sign,
            "expected": token.expected,
            "attention": {"tokens": seen.tolist(), "weights": weights[:, :, seen].astype(float).round(6).tolist()},
        }


class _Asked(NamedTuple):
    """A problem as a model reads it: prompt ids; places, None for GPT-2's own; what each token is for, prompt and
    written; which written tokens are digits of the answer, and of which places; its sign's; and the solution."""

    prompt: list[int]
    places: Places | None
    roles: list[list[Role]]
    digits: dict[int, tuple[int, ...]]
    sign: int | None
    solution: str


def explain(solver: CalcGPT, problem: str, top: int = 3) -> Explanation:
    """Answer a problem as `CalcGPT.solve` does, and look at what the model did for each token that it wrote.

    Args:
        solver: the model.
        problem: an expression, such as "478+256".
        top: how many rivals of each token are kept.

    Raises:
        UnsupportedProblem: the model cannot be asked it, or its work is too long to look at.
        ConfigError: `top` is below 1.
    """
    if top < 1:
        raise ConfigError(f"top must be at least 1, not {top}")
    result = solver.solve(problem, token_details=True)
    if result["error"] is not None:
        raise UnsupportedProblem(result["error"])
    names = [row["token"] for row in result["tokens"]]
    read = _in_columns if solver.notation.work == "columns" else _in_text
    asked = read(solver, result["problem"], names, result["answer"] is not None)
    written = [solver.tokenizer.vocab[name] for name in names]
    before = len(asked.prompt) - 1
    tokens = torch.tensor([asked.prompt + written[:-1]], device=solver.model.device)
    if solver.model.config.num_layers * solver.model.config.num_heads * tokens.shape[1] ** 2 > _MOST:
        raise UnsupportedProblem(f"{tokens.shape[1]:,} tokens are too many to look at: expected a shorter problem")
    stream, weights = look_inside(solver.model, tokens, asked.places, keep=before)
    probabilities = _probabilities(solver.model, stream[-1, 0, before:])
    told = ("problem", "answer", "is_correct", "confidence", "in_distribution")
    return Explanation(
        **{name: result[name] for name in told},
        solution=asked.solution,
        prompt=tuple(
            Token(solver.tokenizer.id_to_token[token], meaning(roles))
            for token, roles in zip(asked.prompt, asked.roles, strict=False)
        ),
        written=tuple(_written(solver, asked, written, probabilities, top)),
        attention=torch.stack(weights)[:, 0].cpu().numpy(),
    )


@without_autocast
@torch.no_grad()
def look_inside(
    model: GPT, tokens: Tensor, places: Places | None, keep: int | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Read tokens (B, T) with the model's own layers, and keep what is inside.

    Args:
        model: in evaluation mode.
        places: of the tokens, T or more; None for GPT-2's own positions.
        keep: from which token on attention is kept; None for no attention.

    Returns:
        The residual stream after the embedding and after each layer, (L + 1, B, T, C), and each layer's weights of
        attention, (B, H, T - keep, T).
    """
    size, length = tokens.shape
    if places is None:
        order = torch.arange(length, device=tokens.device).expand(size, length)
        x = model.embed(tokens.flatten(), order.flatten())
    else:
        added = model.positions.embed(places, stop=length)
        x = (model.wte(tokens) if added is None else model.wte(tokens) + added).flatten(0, 1)
    layout = Watched(model, size, length, places, keep)
    stream = [x]
    for layer, block in enumerate(model.h):
        stream.append(block(stream[-1], layout, layer, None))
    return torch.stack(stream).unflatten(1, (size, length)), layout.weights


class Watched:
    """A layout of B sequences of T tokens that computes attention as it is defined, and keeps its weights."""

    def __init__(self, model: GPT, size: int, length: int, places: Places | None, keep: int | None):
        self.shape, self.places, self.keep, self.model = (size, length), places, keep, model
        self.weights: list[Tensor] = []
        if places is None:
            later = torch.ones(length, length, dtype=torch.bool, device=model.device).triu(1)
            self.scores = torch.zeros(1, length, length, device=model.device, dtype=torch.float32)
            self.scores.masked_fill_(later, float("-inf"))
        else:
            self.scores = model.positions.matrix(sight(places, 0, length, model.device))

    def attend(self, qkv: Tensor, num_heads: int, layer: int, rows: Tensor | None) -> Tensor:
        """(B * T, 3C) -> (B * T, C)."""
        assert rows is None, "everything is looked at"
        length = self.shape[1]
        query, key, value = qkv.view(*self.shape, 3, num_heads, -1).unbind(2)  # (B, T, H, D) each
        if self.places is not None:
            query = self.model.positions.rotate(query, self.places.asks[:length])
            key = self.model.positions.rotate(key, self.places.ids[:length], self.places.anywhere[:length])
        products = torch.einsum("bqhd,bkhd->bhqk", query, key) * scale(query.shape[3])
        weights = (products + self.scores).softmax(-1)
        if self.keep is not None:
            self.weights.append(weights[:, :, self.keep :].clone())
        return torch.einsum("bhqk,bkhd->bqhd", weights, value).reshape(len(qkv), -1)


@without_autocast
@torch.no_grad()
def _probabilities(model: GPT, hidden: Tensor) -> Tensor:  # (W, C) -> (W, V)
    logits = model.head(hidden).float()
    logits[:, model.config.pad_id] = float("-inf")  # which decoding never writes
    return logits.softmax(-1).cpu()


def _written(
    solver: CalcGPT, asked: _Asked, written: list[int], probabilities: Tensor, top: int
) -> Iterable[WrittenToken]:
    names = solver.tokenizer.id_to_token
    digits = asked.solution.lstrip("-")[::-1]
    for index, token in enumerate(written):
        row = probabilities[index]
        best, order = row.topk(min(top + 1, len(row)))
        rivals = [(other, share) for other, share in zip(order.tolist(), best.tolist(), strict=True) if other != token]
        places, expected = asked.digits.get(index, ()), None
        if places:
            expected = "".join(digits[place] if place < len(digits) else "0" for place in places)
        elif index == asked.sign and digits != "0":  # 0 is the same with either sign
            expected = "-" if asked.solution.startswith("-") else "+"
        yield WrittenToken(
            names[token],
            meaning(asked.roles[len(asked.prompt) + index]),
            float(row[token]),
            tuple((names[other], share) for other, share in rivals[:top] if share > 0),
            places,
            index == asked.sign,
            expected,
        )


def _in_columns(solver: CalcGPT, problem: str, written: Sequence[str], readable: bool) -> _Asked:
    ((_, problems),) = group([parse_columns(problem)], solver.notation.signed)
    shape = problems.shape
    return _Asked(
        solver.tokenizer.encode_characters(traces.write_prompts(problems))[0].tolist(),
        place_shape(shape, solver.model.config.positions),
        [[role] for role in column_roles(shape)],
        {int(at): (place,) for place, at in enumerate(traces.answer_places(shape))} if readable else {},
        traces.sign_place(shape) if readable else None,
        problems.solutions().texts()[0],
    )


def _in_text(solver: CalcGPT, problem: str, written: Sequence[str], readable: bool) -> _Asked:
    problems = from_expressions([problem])
    text = solver.notation.write_prompts(problems)
    prompt = encode_written(solver.tokenizer, text)[0][0].tolist()
    names = [solver.tokenizer.id_to_token[token] for token in prompt]
    texts = [name for name in written if name != END]
    own = by_token(texts, answer_roles(solver.notation, "".join(texts), readable))
    scheme, limit = solver.model.config.positions, solver.model.config.max_length
    return _Asked(
        prompt,
        None if scheme.plain else place_sequence(limit, len(prompt), scheme),
        [*by_token(names, prompt_roles(solver.notation, text.texts()[0])), *own, [Role(END_NAME)]],
        {index: places for index, part in enumerate(own) if (places := places_of(part, ANSWER))},
        next((index for index, part in enumerate(own) if part[0].owner == SIGN), None),
        format_integer(problems.solutions().tolist()[0]),
    )
