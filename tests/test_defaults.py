"""Nothing depends on what the program around it set: dtype, device, modes, autocast, determinism.

Each is set around training, asking, evaluating, explaining, probing and exporting; what they give is what they give
without it, to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from calcgpt import CalcGPT
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.evaluation import evaluate, load_suite
from calcgpt.evaluation.explain import explain
from calcgpt.evaluation.probes import probe_carries
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig
from calcgpt.training.trainer import CalcGPTTrainer

SIZES: dict[str, Any] = {"embedding_dim": 16, "num_layers": 1, "num_heads": 2, "feedforward_dim": 16, "device": "cpu"}
RUN: dict[str, Any] = {"max_steps": 4, "warmup_steps": 1, "batch_size": 16, "test_split": 0.01, "dropout": 0.1}
COLUMNS: dict[str, Any] = {
    "task": Task(operations=("+",), max_digits=(2,)),
    "notation": Notation(work="columns"),
    "batch_tokens": 300,
}
CONFIGS = {
    "plain": TrainingConfig(task=Task(max_value=99), notation=Notation(width=2, answer_width=3), **RUN, **SIZES),
    "muon": TrainingConfig(
        task=Task(max_value=99),
        notation=Notation(width=2, answer_width=3, complement=True),
        positions=Positions(encoding="sinusoidal"),
        optimizer="muon",
        **RUN,
        **SIZES,
    ),
    "fire": TrainingConfig(
        positions=Positions(ids="coupled", encoding="fire", window=(1,), segments=True), **COLUMNS, **RUN, **SIZES
    ),
    "rotary": TrainingConfig(positions=Positions(encoding="rotary"), **COLUMNS, **RUN, **SIZES),
    "alibi": TrainingConfig(positions=Positions(encoding="alibi"), **COLUMNS, **RUN, **SIZES),
    "none": TrainingConfig(positions=Positions(encoding="none"), **COLUMNS, **RUN, **SIZES),
}


def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


def deterministic(warn_only: bool) -> Iterator[None]:
    torch.use_deterministic_algorithms(True, warn_only=warn_only)
    yield
    torch.use_deterministic_algorithms(False)


def precision() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")


def within(block: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    with block():
        yield


SURROUNDINGS: dict[str, Callable[[], Iterator[None]]] = {
    "default dtype": default_dtype,
    "default device": default_device,
    "within a device": lambda: within(lambda: torch.device("meta")),
    "no gradients": lambda: within(torch.no_grad),
    "inference mode": lambda: within(torch.inference_mode),
    "autocast": lambda: within(lambda: torch.autocast("cpu", dtype=torch.bfloat16)),
    "deterministic": lambda: deterministic(False),
    "deterministic, warnings": lambda: deterministic(True),
}


def weights(model: torch.nn.Module) -> dict[str, list[Any]]:
    return {name: [str(value.dtype), value.tolist()] for name, value in model.state_dict().items()}


def asked(solver: CalcGPT) -> dict[str, Any]:
    """Everything that a model can be asked, without the seconds."""
    columns = solver.notation.work == "columns"
    answers = [solver.solve("12+34"), *solver.solve_batch([f"{a}+7" for a in range(40)], token_details=True)]
    drawn = solver.solve_batch(["12+34", "1+2"], temperature=1.0, seed=3)
    for answer in answers + drawn:
        del answer["inference_time"]
    found: dict[str, Any] = {"answers": answers, "drawn": drawn, "explained": explain(solver, "12+34").to_dict()}
    if not columns:
        found["completed"] = solver.complete("12+34=")
    report = evaluate(solver, load_suite("quick").changed(count=20))
    found["evaluated"] = [report["right"], report["problems"], report["buckets"]]
    return found


def exported(solver: CalcGPT, path: Path) -> Any:
    from calcgpt.interop.adderboard import export_adderboard

    export_adderboard(solver, path, "somebody")
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    model, _ = names["build_model"]()
    return weights(model), names["add"](model, 12, 34)


def everything(config: TrainingConfig, folder: Path) -> str:
    trainer = CalcGPTTrainer(config, None, folder / "model", verbose=False)
    results = trainer.train()
    found = {name: results[name] for name in ("training_loss", "eval_loss", "exact_match", "test_results")}
    solver = CalcGPT(folder / "model", device="cpu")
    found |= {"trained": weights(trainer.model), "read": weights(solver.model), **asked(solver)}
    if config.notation.work == "columns":
        found["exported"] = exported(solver, folder / "export.py")
    return json.dumps(found, default=str)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What everything gives where nothing is set."""
    known: dict[str, str] = {}

    def find(name: str) -> str:
        if name not in known:
            known[name] = everything(CONFIGS[name], tmp_path_factory.mktemp(name))
        return known[name]

    return find


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_it_gives_the_same_whatever_the_program_set(
    plain: Callable[[str], str], tmp_path: Path, surroundings: str, name: str
) -> None:
    expected = plain(name)
    with contextmanager(SURROUNDINGS[surroundings])():
        found = everything(CONFIGS[name], tmp_path)
    assert found == expected


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_probes_give_the_same_whatever_the_program_set(surroundings: str) -> None:
    def probed() -> Any:
        return probe_carries(CalcGPT("calculator", device="cpu"), count=200, operation="+")

    expected = probed()
    with contextmanager(SURROUNDINGS[surroundings])():
        assert probed() == expected


def test_products_as_exact_as_the_program_wants_them(plain: Callable[[str], str], tmp_path: Path) -> None:
    """How exact a product of float32 is, is the program's own choice of speed, and may change the last bits."""
    with contextmanager(precision)():
        found = json.loads(everything(CONFIGS["plain"], tmp_path))
    expected = json.loads(plain("plain"))
    assert found["training_loss"] == pytest.approx(expected["training_loss"], rel=0.02)


def test_a_model_read_in_inference_mode_can_be_trained_with(tiny_model: Path) -> None:
    with torch.inference_mode():
        model = CalcGPT(tiny_model, device="cpu").model
    ids = torch.tensor([[2, 3, 4]])
    model(ids, ids).loss.backward()
    assert model.wte.weight.grad is not None


def test_reading_a_model_uses_up_no_draws(tiny_model: Path) -> None:
    before = torch.get_rng_state()
    CalcGPT(tiny_model, device="cpu").solve("1+1")
    assert torch.equal(torch.get_rng_state(), before)
