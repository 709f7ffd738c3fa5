"""What the tests of evaluation share: a solver that is wrong exactly where it is told to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.inference.decoding import Completions
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.tokenizer import Tokenizer

Rule = Callable[[Problems], np.ndarray]


def nowhere(problems: Problems) -> np.ndarray:
    return np.zeros(len(problems), bool)


class StubSolver(CalcGPT):
    """Writes the solution; one more where `wrong` says so, no number where `mute` does, no end where `endless` does."""

    wrong: Rule = staticmethod(nowhere)
    mute: Rule = staticmethod(nowhere)
    endless: Rule = staticmethod(nowhere)

    def decode(self, problems: Problems, *options: Any, **more: Any) -> Completions:
        written = self.notation.write_answers(problems, problems.solutions() + self.wrong(problems))
        tokens = torch.from_numpy(self.tokenizer.encode_characters(written.characters))
        tokens[torch.from_numpy(self.mute(problems)), 0] = self.tokenizer.vocab["="]
        ended = torch.from_numpy(~self.endless(problems))
        scores = torch.full((len(problems), tokens.shape[1] + 1), -0.01)
        return Completions(tokens, torch.from_numpy(written.lengths), ended, scores)


def make_stub(*tasks: Task, notation: Notation | None = None, **rules: Rule) -> StubSolver:
    tokenizer = Tokenizer.build(["0123456789+-*/%=()"])
    sizes = {"embedding_dim": 4, "num_layers": 1, "num_heads": 1, "feedforward_dim": 4}
    run = {
        "config": {"notation": vars(notation or Notation())},
        "data": {"tasks": [task.to_dict() for task in tasks]},
    }
    solver = StubSolver.from_parts(GPT(GPTConfig(len(tokenizer), 40, **sizes)), tokenizer, run)
    assert isinstance(solver, StubSolver)
    vars(solver).update(rules)
    return solver


@pytest.fixture(scope="session")
def stub() -> Callable[..., CalcGPT]:
    return make_stub
