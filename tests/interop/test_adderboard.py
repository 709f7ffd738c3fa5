"""The file for the ten-digit challenge: it answers as the solver does, wherever it is, and computes no sum."""

from __future__ import annotations

import ast
import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import calcgpt
from calcgpt.arithmetic.columns import ColumnProblems
from calcgpt.arithmetic.problems import Problems
from calcgpt.errors import ConfigError
from calcgpt.inference.solver import CalcGPT
from calcgpt.interop.adderboard import LARGEST, export_adderboard
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

Pairs = list[tuple[int, int]]
EDGES: Pairs = [
    (0, 0),
    (0, 1),
    (LARGEST, 0),
    (LARGEST, 1),
    (LARGEST, LARGEST),
    (5 * 10**9, 5 * 10**9),
    (1_111_111_111, 8_888_888_889),
    (1_234_567_890, 9_876_543_210),
    (LARGEST, LARGEST),
    (1, LARGEST),
]
TRAINED = os.environ.get("CALCGPT_ADDITION_MODEL")  # the folder of a model that was trained on addition
SIZES = {"embedding_dim": 16, "num_layers": 1, "num_heads": 2, "feedforward_dim": 32}


def judged_pairs(count: int, seed: int = 2025) -> Pairs:
    """What the challenge asks: ten edge cases, and `count` random pairs."""
    rng = random.Random(seed)
    return EDGES + [(rng.randint(0, LARGEST), rng.randint(0, LARGEST)) for _ in range(count)]


def judge(entry: ModuleType, count: int) -> float:
    """The share of right answers; one that raises, or is no integer, is a wrong one, as in the challenge."""
    model, _ = entry.build_model()
    right = 0
    for a, b in judged_pairs(count):
        try:
            right += entry.add(model, a, b) == a + b
        except Exception:
            continue
    return right / (len(EDGES) + count)


def load_entry(path: Path) -> ModuleType:
    """A file as a module, as the challenge imports it."""
    spec = importlib.util.spec_from_file_location("entry", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random_solver(
    characters: str = "0123456789+=", mode: str = "char", max_length: int = 34, **options: Any
) -> CalcGPT:
    """A solver with random weights; options: a `scheme`, a `notation`, `tasks`."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.build([characters], mode)
    model = GPT(GPTConfig(len(tokenizer), max_length, **SIZES, positions=options.get("scheme", Positions())))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
    run = {"config": {"notation": options.get("notation", {})}, "data": {"tasks": options.get("tasks", [])}}
    return CalcGPT.from_parts(model, tokenizer, run)


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_it_answers_as_the_solver_does(ten_digits: CalcGPT, away: Path) -> None:
    export_adderboard(ten_digits, "entry.py")
    entry = load_entry(away / "entry.py")
    model, _ = entry.build_model()
    pairs = judged_pairs(40)
    expected = [result["answer"] for result in ten_digits.solve_batch([f"{a}+{b}" for a, b in pairs])]
    assert sum(answer is not None for answer in expected) > 30, "too few answers to compare"
    assert len(set(expected)) > 5, "too few different answers to compare"
    found = [entry.add(model, a, b) for a, b in pairs]
    assert all(type(answer) is int for answer in found)
    assert found == [-1 if answer is None else int(answer) for answer in expected]


def test_it_holds_the_model_to_the_last_bit(ten_digits: CalcGPT, away: Path) -> None:
    export_adderboard(ten_digits, "entry.py")
    entry = load_entry(away / "entry.py")
    model, _ = entry.build_model()
    state, expected = model.state_dict(), ten_digits.model.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], weights) for name, weights in expected.items())
    assert model.config == ten_digits.model.config and not model.training
    solver = CalcGPT.from_parts(model, Tokenizer.from_vocab(entry.VOCABULARY), entry.RUN)
    assert (solver.tokenizer, solver.notation, solver.tasks) == (
        ten_digits.tokenizer,
        ten_digits.notation,
        ten_digits.tasks,
    )


def test_what_is_no_number_is_no_sum(away: Path) -> None:
    solver = random_solver()
    export_adderboard(solver, "entry.py")
    entry = load_entry(away / "entry.py")
    model, _ = entry.build_model()
    unread = [(a, b) for a, b in judged_pairs(20) if solver.solve(f"{a}+{b}")["answer"] is None]
    assert unread
    assert {entry.add(model, a, b) for a, b in unread} == {-1}


def test_the_judge_counts_right_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ModuleType("entry")
    entry.build_model = lambda: (None, {})  # type: ignore[attr-defined]
    for add, share in ((lambda _, a, b: a + b, 1.0), (lambda _, a, b: str(a + b), 0.0), (lambda _, a, b: 1 / 0, 0.0)):
        entry.add = add  # type: ignore[attr-defined]
        assert judge(entry, 30) == share
    entry.add = lambda _, a, b: b if not a else 0  # type: ignore[attr-defined]
    assert judge(entry, 0) == 0.2, "0+0 and 0+1"


def test_a_judge_sees_what_the_solver_reaches(ten_digits: CalcGPT, away: Path) -> None:
    export_adderboard(ten_digits, "entry.py")
    results = ten_digits.solve_batch([f"{a}+{b}" for a, b in judged_pairs(30)])
    assert judge(load_entry(away / "entry.py"), 30) == sum(result["is_correct"] for result in results) / len(results)


@pytest.mark.slow
@pytest.mark.skipif(TRAINED is None, reason="CALCGPT_ADDITION_MODEL names no trained model")
def test_a_trained_model_qualifies(tmp_path: Path) -> None:
    export_adderboard(CalcGPT(TRAINED, device="cpu"), tmp_path / "entry.py")
    assert judge(load_entry(tmp_path / "entry.py"), 10_000) >= 0.99


def test_nothing_computes_the_sum(ten_digits: CalcGPT, away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_adderboard(ten_digits, "entry.py")
    entry = load_entry(away / "entry.py")
    model, _ = entry.build_model()
    pairs = judged_pairs(3)
    expected = [entry.add(model, a, b) for a, b in pairs]

    def refuse(*_: object) -> None:
        raise AssertionError("a solution was computed")

    for kind in (Problems, ColumnProblems):
        monkeypatch.setattr(kind, "solutions", refuse)
    for module in ("calcgpt.arithmetic.columns.solve", "calcgpt.arithmetic.digits.add"):
        monkeypatch.setattr(module, refuse)
    with pytest.raises(AssertionError, match="a solution was computed"):
        ten_digits.solve("1+2")
    assert [entry.add(model, a, b) for a, b in pairs] == expected


def test_the_file_has_no_arithmetic(ten_digits: CalcGPT, away: Path) -> None:
    export_adderboard(ten_digits, "entry.py")
    tree = ast.parse((away / "entry.py").read_text())
    assert not any(isinstance(node, (ast.BinOp, ast.AugAssign)) for node in ast.walk(tree))
    [add] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "add"]
    uses = [node for node in ast.walk(add) if isinstance(node, ast.Name) and node.id in ("a", "b")]
    [written] = [node for node in ast.walk(add) if isinstance(node, ast.JoinedStr)]
    assert ast.unparse(written) == "f'{a}+{b}'" and len(uses) == 2, "the operands occur in the prompt and nowhere else"


def test_the_metadata_is_complete_and_true(ten_digits: CalcGPT, away: Path) -> None:
    told = export_adderboard(ten_digits, "entry.py", author='Ada "the first" Löve\\lace')
    model, metadata = load_entry(away / "entry.py").build_model()
    assert metadata == told
    assert sorted(metadata) == ["architecture", "author", "name", "params", "tricks"]
    assert metadata["author"] == 'Ada "the first" Löve\\lace' and metadata["name"] == "sums"
    assert metadata["params"] == sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())
    assert metadata["architecture"] == "decoder-only transformer, 1 layer, d=32, 4 heads, ff=64"
    assert all(isinstance(trick, str) and trick for trick in metadata["tricks"]) and metadata["tricks"]
    is_told = any("the model is told each digit's column" in trick for trick in metadata["tricks"])
    assert is_told == (ten_digits.model.config.positions.ids == "coupled")


def test_every_trick_is_told() -> None:
    from calcgpt.interop.adderboard import describe

    scheme = Positions(ids="abacus", encoding="none", window=(3,), segments=True, ahead=True)
    tricks = " / ".join(describe(random_solver(scheme=scheme, notation={"work": "columns"}), "x")["tricks"])
    for part in ("longer one", "units first", "abacus", "at most 3 apart", "segment", "next token", "head tied"):
        assert part in tricks
    assert "coupled" not in tricks and "encoding" not in tricks
    padded = {"width": 10, "answer_width": 12}
    solver = random_solver("0123456789+=", "number", 60, notation=padded)
    tricks = " / ".join(describe(solver, "x")["tricks"])
    for part in ("padded to 10 digits", "padded to 12 digits", "two digits", "learned absolute positions"):
        assert part in tricks
    assert "units first" not in tricks and "interleaved" not in tricks


def test_it_needs_nothing_of_where_it_was_written(ten_digits: CalcGPT, tmp_path: Path) -> None:
    folder, home = tmp_path / "elsewhere", Path(calcgpt.__file__).parents[1]
    folder.mkdir()
    export_adderboard(ten_digits, tmp_path / "entry.py")
    (tmp_path / "entry.py").rename(folder / "moved.py")
    text = (folder / "moved.py").read_text()
    assert not any(str(path) in text for path in (tmp_path, home, ten_digits.path, Path.home(), Path.cwd()))
    code = "import moved; model, _ = moved.build_model(); print(moved.add(model, 123, 9876543210))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(home), str(folder)]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answer = ten_digits.solve("123+9876543210")["answer"]
    assert done.stdout == f"{-1 if answer is None else answer}\n"


def test_of_the_run_only_what_solving_reads_is_written(tmp_path: Path) -> None:
    solver = random_solver(max_length=40)
    solver.run["config"]["init_from"] = "/home/ada/models/secret"
    solver.run["data"]["path"] = "/home/ada/data.txt"
    export_adderboard(solver, tmp_path / "entry.py")
    assert "/home/ada" not in (tmp_path / "entry.py").read_text()


def test_the_same_model_gives_the_same_file(ten_digits: CalcGPT, tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        export_adderboard(ten_digits, tmp_path / name, "Ada")
    text = (tmp_path / "one.py").read_bytes()
    assert text == (tmp_path / "two.py").read_bytes()
    assert max(map(len, text.splitlines())) <= 120


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "entry.py"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        export_adderboard(random_solver(), path)
    assert path.read_text() == "mine"
    export_adderboard(random_solver(), path, overwrite=True)
    assert load_entry(path).build_model()[1]["author"] == "anonymous"


MINUS = {"operations": ["-"], "min_value": 0, "max_value": 99}
LEARNED = Positions(ids="coupled", encoding="learned", max_id=5)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tasks": [MINUS]}, "this model was trained on -"),
        ({"characters": "0123456789-="}, "no token for '\\+'"),
        ({"characters": "012345678+="}, "no token for '9'"),
        ({"notation": {"width": 9}, "max_length": 60}, "places for 9 digits an operand"),
        ({"notation": {"answer_width": 10}, "max_length": 60}, "no place for the answer 1"),
        ({"max_length": 20}, "20 positions"),
        ({"max_length": 33}, "33 positions, and a problem with its answer and end takes 34"),
        ({"scheme": LEARNED, "notation": {"work": "columns"}}, "5 position ids"),
        ({"scheme": Positions(ids="coupled", window=(1,)), "notation": {"work": "columns"}, "characters": "01+="}, "9"),
    ],
)
def test_a_model_without_room_is_refused(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        export_adderboard(random_solver(**options), tmp_path / "entry.py")
    assert not list(tmp_path.iterdir())


def test_sums_among_other_operations_will_do(tmp_path: Path) -> None:
    export_adderboard(random_solver(tasks=[MINUS, {**MINUS, "operations": ["+"]}]), tmp_path / "entry.py")
    assert (tmp_path / "entry.py").exists()


@pytest.mark.parametrize("reverse", [False, True])
def test_tokens_of_two_digits_have_room_for_every_pair(reverse: bool, tmp_path: Path) -> None:
    def solver(length: int) -> CalcGPT:
        return random_solver("0123456789+=", "number", length, notation={"reverse": reverse})

    def accepted(length: int) -> bool:
        try:
            export_adderboard(solver(length), tmp_path / "entry.py", overwrite=True)
        except ConfigError:
            return False
        return True

    shortest = next(length for length in range(10, 60) if accepted(length))
    tokenizer, rng, longest = solver(50).tokenizer, random.Random(0), 0
    for _ in range(20_000):
        a, b = (int("".join(rng.choice("0001239") for _ in range(rng.randint(1, 10)))) for _ in range(2))
        answer = str(a + b)[::-1] if reverse else str(a + b)
        longest = max(longest, len(tokenizer.encode(f"{a}+{b}=")) + len(tokenizer.encode(answer)) + 1)
    assert longest <= shortest <= 34
