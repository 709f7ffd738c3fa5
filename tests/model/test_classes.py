"""Networks and notations of the user's own: known before the first step, named in run.json, never replaced by ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from calcgpt import CalcGPT
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError, ModelFolderError
from calcgpt.interop.adderboard import export_adderboard
from calcgpt.model.classes import find_classes, own_classes
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT, MLP
from calcgpt.model.store import read_model, scan_models
from calcgpt.tokens.scheme import Positions
from calcgpt.training.config import TrainingConfig
from calcgpt.training.seen import trained_problems
from calcgpt.training.trainer import CalcGPTTrainer

SIZES = {"embedding_dim": 16, "num_layers": 1, "num_heads": 2, "feedforward_dim": 32}


class Doubled(GPT):
    """Its head is not ours, though its weights have our names."""

    def head(self, x: torch.Tensor) -> torch.Tensor:
        return super().head(-2 * x)


class Gated(MLP):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x) * super().forward(x)


@dataclass(frozen=True)
class Marked(Notation):
    """A notation with a setting of its own."""

    mark: str = "!"


@dataclass(frozen=True)
class Even(Task):
    pass


class Doubling(CalcGPTTrainer):
    def build_model(self, vocab_size: int, maxlen: int) -> GPT:
        return Doubled(super().build_model(vocab_size, maxlen).config)


class Gating(CalcGPTTrainer):
    def build_model(self, vocab_size: int, maxlen: int) -> GPT:
        model = super().build_model(vocab_size, maxlen)
        for block in model.h:
            block.mlp = Gated(model.config)
        return model


def train(kind: Callable[..., CalcGPTTrainer], folder: Path, **changes: Any) -> CalcGPTTrainer:
    settings = {"task": Task(max_value=9), "notation": Notation(1, 2), "max_steps": 30, "learning_rate": 1e-2, **SIZES}
    config = TrainingConfig(**{**settings, "device": "cpu", "batch_size": 16, "warmup_steps": 2, **changes})
    trainer = kind(config, None, folder, verbose=False)
    trainer.results = trainer.train()  # type: ignore[attr-defined]
    return trainer


def network(**changes: Any) -> GPT:
    return GPT(GPTConfig(12, 8, **{**SIZES, **changes}))


def test_ours_is_ours_and_looking_draws_nothing() -> None:
    for positions in (Positions(), Positions("coupled", "relative", (1,), segments=True)):
        model = network(positions=positions)
        model.wte.weight.requires_grad_(False)
        before = torch.get_rng_state()
        assert own_classes(model.eval(), Notation(), [Task()]) == {}
        assert torch.equal(torch.get_rng_state(), before)


def changed(how: Callable[[GPT], Any]) -> str:
    model = network()
    how(model)
    return own_classes(model)["network"]


def test_every_change_of_a_network_is_known() -> None:
    ours = "calcgpt.model.gpt.GPT, changed: "
    gated = f"{__name__}.Gated at h.0.mlp"
    assert changed(lambda model: setattr(model.h[0], "mlp", Gated(model.config))) == ours + gated
    assert changed(lambda model: setattr(model, "extra", nn.Linear(2, 2))).startswith(ours + "torch.nn")
    assert changed(lambda model: setattr(model.h[0], "forward", lambda *_: None)) == ours + "h.0.forward"
    assert changed(lambda model: model.register_forward_hook(lambda *_: None)) == ours + "a forward hook"
    assert changed(lambda model: setattr(model.h[0].attn, "num_heads", 4)) == ours + "h.0.attn.num_heads"
    assert changed(lambda model: setattr(model, "wte", nn.Embedding(13, 16))).startswith(ours + "wte.num_embeddings")
    assert changed(lambda model: model.h.append(nn.Identity())).startswith(ours + "torch.nn")
    assert own_classes(Doubled(network().config)) == {"network": f"{__name__}.Doubled"}
    with pytest.raises(ConfigError, match="Linear has no `config` that is a GPTConfig: build_model has to give it one"):
        own_classes(nn.Linear(1, 1))


def test_a_network_of_ones_own_opens_with_its_class_alone(tmp_path: Path) -> None:
    trainer = train(Doubling, tmp_path / "own")
    stored = read_model(tmp_path / "own")
    assert stored.run["classes"] == {"network": f"{__name__}.Doubled"}
    assert stored.config["model_type"] == "calcgpt", "no other library shall take it for a GPT-2"
    said = (
        rf"own was trained with {__name__}.Doubled .network., which is not CalcGPT's own: open it with CalcGPT\('.*own'"
    )
    with pytest.raises(ModelFolderError, match=said + r", classes=\[Doubled\]\)$") as caught:
        CalcGPT(tmp_path / "own")
    assert "\n" not in str(caught.value)
    solver = CalcGPT(tmp_path / "own", classes=[Marked, Doubled])
    assert type(solver.model) is Doubled
    answers = solver.solve_batch(["1+2", "3-4", "9+9"])
    memory = CalcGPT.from_parts(trainer.model, trainer.tokenizer, {**stored.run, "classes": {}})
    expected = memory.solve_batch(["1+2", "3-4", "9+9"])
    assert [answer["completion"] for answer in answers] == [answer["completion"] for answer in expected]
    assert [answer["confidence"] for answer in answers] == pytest.approx([each["confidence"] for each in expected])
    assert [summary.name for summary in scan_models(tmp_path)[0]] == ["own"]
    with pytest.raises(ModelFolderError, match=said):
        train(CalcGPTTrainer, tmp_path / "next", init_from=str(tmp_path / "own"))
    with pytest.raises(ConfigError, match="this model needs .*Doubled"):
        export_adderboard(solver, tmp_path / "file.py")


def test_a_network_that_was_changed_is_saved_and_told(tmp_path: Path) -> None:
    trainer = train(Gating, tmp_path / "own")
    with pytest.raises(ModelFolderError, match="Gated at h.0.mlp .*build that network as its training did.*from_parts"):
        CalcGPT(tmp_path / "own", classes=[Gated])
    stored = read_model(tmp_path / "own")
    model = GPT(GPTConfig.from_dict(stored.config))
    model.h[0].mlp = Gated(model.config)
    model.load_weights(stored.state())
    solver = CalcGPT.from_parts(model, stored.tokenizer, stored.run)
    memory = CalcGPT.from_parts(trainer.model, trainer.tokenizer, {**stored.run, "classes": {}})
    assert solver.solve("1+2")["completion"] == memory.solve("1+2")["completion"]


def test_a_notation_and_a_task_of_ones_own(tmp_path: Path) -> None:
    train(CalcGPTTrainer, tmp_path / "own", notation=Marked(1, 2, mark="?"), task=Even(max_value=9))
    run = read_model(tmp_path / "own").run
    assert run["classes"] == {"notation": f"{__name__}.Marked", "task": f"{__name__}.Even"}
    assert trained_problems(run) is None
    for classes in ([], [Marked], [Even]):
        with pytest.raises(ModelFolderError, match="which is not CalcGPT's own: open it with"):
            CalcGPT(tmp_path / "own", classes=classes)
    solver = CalcGPT(tmp_path / "own", classes=[Marked, Even])
    assert solver.notation == Marked(1, 2, mark="?") and type(solver.tasks[0]) is Even
    train(CalcGPTTrainer, tmp_path / "next", init_from=str(tmp_path / "own"))  # its weights are ours


def test_a_script_is_main_where_it_runs() -> None:
    run = {"classes": {"network": "__main__.Doubled"}}
    assert find_classes(run, [Doubled], None) == {"network": Doubled}
    for name in ("__main__.oubled", "other.Doubled", "__main__.Other.Doubled"):
        with pytest.raises(ModelFolderError, match="this model was trained with"):
            find_classes({"classes": {"network": name}}, [Doubled], None)
