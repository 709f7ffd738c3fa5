"""`calcgpt export`: where it writes, what it says, what it refuses."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from calcgpt.cli.main import main
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.model.store import write_model
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

Output = pytest.CaptureFixture[str]
COUPLED = Positions(ids="coupled", encoding="relative", window=(1,), segments=True, ahead=True)


def _model(folder: Path, positions: Positions, work: str = "none", name: str = "Sums 2.0") -> Path:
    """A model folder with random weights."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.build(["0123456789+-="])
    sizes = {"embedding_dim": 16, "num_layers": 1, "num_heads": 2, "feedforward_dim": 32}
    model = GPT(GPTConfig(len(tokenizer), 34, **sizes, positions=positions))
    run: dict[str, Any] = {"name": name, "config": {"notation": {"work": work}}, "data": {"tasks": []}}
    folder.mkdir(parents=True)
    write_model(folder, model.state_dict(), model.config.to_dict(), tokenizer, run)
    return folder


@pytest.fixture
def model(own_folder: Path) -> Path:
    return _model(own_folder / "models" / "mine", COUPLED, "columns")


def _entry(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("entry", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_in_the_current_folder(model: Path, own_folder: Path, capsys: Output) -> None:
    assert main(["export", "--format", "adderboard", str(model), "--author", "Ada"]) == 0
    shown = capsys.readouterr().out
    path = own_folder / "adderboard_Sums_2_0.py"
    network, metadata = _entry(path).build_model()
    assert f"{path.name}, {path.stat().st_size:,} bytes" in shown and f"{metadata['params']:,} parameters" in shown
    assert metadata["author"] == "Ada" and metadata["name"] == "Sums 2.0"
    for name, weights in CalcGPT(model, device="cpu").model.state_dict().items():
        assert torch.equal(network.state_dict()[name], weights)


def test_what_the_model_is_told_is_said(model: Path, own_folder: Path, capsys: Output) -> None:
    assert main(["export", str(model)]) == 0
    assert "may or may not admit" in capsys.readouterr().out
    plain = _model(own_folder / "models" / "plain", Positions(), name="plain")
    assert main(["export", str(plain)]) == 0
    assert "may or may not admit" not in capsys.readouterr().out


def test_the_json_says_what_the_file_says(model: Path, own_folder: Path, capsys: Output) -> None:
    assert main(["export", "--json", "-o", "entry.py"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.pop("path") == "entry.py" and report.pop("bytes") == (own_folder / "entry.py").stat().st_size
    assert report == _entry(own_folder / "entry.py").build_model()[1]


def test_the_output_may_be_a_folder(model: Path, own_folder: Path, capsys: Output) -> None:
    (own_folder / "entries").mkdir()
    assert main(["export", "mine", "-o", "entries"]) == 0
    assert (own_folder / "entries" / "adderboard_Sums_2_0.py").is_file()


def test_a_file_that_is_there_stays_unless_told(model: Path, own_folder: Path, capsys: Output) -> None:
    path = own_folder / "entry.py"
    path.write_text("mine")
    assert main(["export", "mine", "-o", "entry.py"]) == 2
    caught = capsys.readouterr()
    assert caught.err.startswith("calcgpt: entry.py is there already") and "--overwrite" in caught.err
    assert caught.err.count("\n") == 1 and path.read_text() == "mine"
    assert main(["export", "mine", "-o", "entry.py", "--overwrite"]) == 0
    assert "build_model" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing"], "there is no model 'nothing'"),
        (["mine", "-o", "no/such/entry.py"], "there is no such folder"),
        (["mine", "--format", "onnx"], "adderboard"),
    ],
)
def test_what_cannot_work_is_one_line(model: Path, capsys: Output, arguments: list[str], expected: str) -> None:
    assert main(["export", *arguments]) == 2
    caught = capsys.readouterr()
    assert caught.err.startswith("calcgpt: ") and expected in caught.err and caught.err.count("\n") == 1


def test_a_model_of_small_numbers_is_refused(tiny_model: Path, own_folder: Path, capsys: Output) -> None:
    assert main(["export", str(tiny_model)]) == 2
    assert "this model cannot add every two ten-digit numbers: " in capsys.readouterr().err
    assert not list(own_folder.glob("*.py"))
