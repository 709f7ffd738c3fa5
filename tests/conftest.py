"""What tests of several folders share: a small trained model, and models that are wrong exactly where they are told."""

from __future__ import annotations

import os

# Before torch is loaded. What is tested is small; a second thread only waits, and beside other processes for long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.training.config import TrainingConfig

if TYPE_CHECKING:
    from calcgpt.arithmetic.problems import Problems
    from calcgpt.inference.choosing import Completions
    from calcgpt.inference.solver import CalcGPT


@pytest.fixture(scope="session")
def tiny_config() -> TrainingConfig:
    """Sums and differences of one digit, trained in a second or two; not all that it answers is right."""
    return TrainingConfig(
        task=Task(max_value=9),
        notation=Notation(width=1, answer_width=2),
        embedding_dim=32,
        num_layers=1,
        num_heads=4,
        feedforward_dim=64,
        batch_size=64,
        learning_rate=5e-3,
        warmup_steps=20,
        max_steps=200,
        eval_steps=100,
        device="cpu",
    )


@pytest.fixture(scope="session")
def tiny_model(tiny_config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished model of `tiny_config`. It is shared: read it, and leave it as it is."""
    from calcgpt.training.trainer import CalcGPTTrainer

    folder = tmp_path_factory.mktemp("models") / "tiny"
    CalcGPTTrainer(tiny_config, None, folder, verbose=False).train()
    return folder


@pytest.fixture(scope="session")
def stub() -> Callable[..., CalcGPT]:
    """Makes a solver of tasks and a notation that writes the solution: one more where the rule `wrong` says so, no
    number where `mute` does, no end where `endless` does. A rule is given problems, and says (N,) where it holds.
    """
    import torch  # here, because most tests do without it

    from calcgpt.inference.choosing import Completions
    from calcgpt.inference.solver import CalcGPT
    from calcgpt.model.config import GPTConfig
    from calcgpt.model.gpt import GPT
    from calcgpt.tokens.tokenizer import Tokenizer

    def nowhere(problems: Problems) -> np.ndarray:
        return np.zeros(len(problems), bool)

    class StubSolver(CalcGPT):
        wrong = mute = endless = staticmethod(nowhere)

        def decode(
            self, problems: Problems, temperature: float = 0.0, seed: int | None = None, progress: Any = None, **_: Any
        ) -> Completions:
            if progress:
                progress(len(problems), len(problems))
            written = self.notation.write_answers(problems, problems.solutions() + self.wrong(problems))
            tokens = torch.from_numpy(self.tokenizer.encode_characters(written.characters))
            tokens[torch.from_numpy(self.mute(problems)), 0] = self.tokenizer.vocab["="]
            ended = torch.from_numpy(~self.endless(problems))
            lengths = torch.from_numpy(written.lengths)
            scores = -0.01 * (torch.arange(tokens.shape[1] + 1) <= lengths[:, None]).float()
            return Completions(tokens, lengths, ended, scores)

    def make(*tasks: Task, notation: Notation | None = None, positions: int = 40, **rules: Any) -> CalcGPT:
        tokenizer = Tokenizer.build(["0123456789+-*/%=()"])
        sizes = {"embedding_dim": 4, "num_layers": 1, "num_heads": 1, "feedforward_dim": 4}
        data = {"tasks": [task.to_dict() for task in tasks]}
        run = {"config": {"notation": vars(notation or Notation())}, "data": data}
        torch.manual_seed(0)
        solver = StubSolver.from_parts(GPT(GPTConfig(len(tokenizer), positions, **sizes)), tokenizer, run)
        vars(solver).update(rules)
        return solver

    return make


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has models that write columns write the right work from then on, as `change(prompt, work)` leaves it."""
    import torch

    from calcgpt.arithmetic import traces
    from calcgpt.arithmetic.columns import ColumnProblems, parse_columns
    from calcgpt.inference import columns
    from calcgpt.inference.choosing import Completions
    from calcgpt.tokens.tokenizer import Tokenizer

    tokenizer = Tokenizer.build(["0123456789+-*/%="])

    def start(change: Callable[[str, str], str] = lambda prompt, work: work, ended: bool = True) -> None:
        def decode(choose: Any, prompts: Any, places: Any, space: int, progress: Any = None, *_: Any) -> Completions:
            rows = []
            for prompt in map(tokenizer.decode, prompts.tolist()):
                symbol, operands = parse_columns(prompt)
                widths = tuple(map(len, prompt.removesuffix("=").split(symbol)))
                work = bytes(traces.write(ColumnProblems.from_operands(symbol, [operands], widths))[0]).decode()
                rows.append(tokenizer.encode(change(prompt, work)))
            tokens, count = torch.tensor(rows), len(rows)
            if progress:
                progress(count)
            scores = torch.full((count, tokens.shape[1] + 1), -0.01)
            return Completions(tokens, torch.full((count,), tokens.shape[1]), torch.full((count,), ended), scores)

        monkeypatch.setattr(columns, "decode_placed", decode)

    return start
