"""`calcgpt evaluate`: suites, tables, JSON, files, exit codes; and what cannot work as one line."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcgpt.cli import evaluate as module
from calcgpt.cli.main import main
from calcgpt.evaluation.table import COLUMNS

Output = pytest.CaptureFixture[str]
APART = ("resumed", "seconds", "milliseconds", "problems_per_second", "failures_file", "command")


@pytest.fixture
def report(tiny_model: Path, capsys: Output) -> Callable[..., Any]:
    """The JSON of an evaluation of the tiny model, or of those that are named."""

    def run(*arguments: str, models: tuple[str, ...] | None = None, code: int = 0) -> Any:
        names = (str(tiny_model),) if models is None else models
        assert main(["evaluate", *names, *arguments, "--json", "--device", "cpu"]) == code
        return json.loads(capsys.readouterr().out)

    return run


def _name(model: Path) -> str:
    """What a model's folder of evaluations is called where it is not under models/."""
    mark = hashlib.sha256(str(model.resolve()).encode()).hexdigest()[:6]
    return f"{model.parent.name}-{model.name}-{mark}"


def _rows(shown: str) -> list[list[str]]:
    """The lines of tables, cell by cell."""
    return [cells for line in shown.splitlines() if len(cells := re.split(r" {2,}", line.strip())) > 3]


def test_the_standard_suite_is_meant(tiny_model: Path, own_folder: Path, report: Any, capsys: Output) -> None:
    assert main(["evaluate", str(tiny_model), "--device", "cpu"]) == 0
    caught = capsys.readouterr()
    told = report()
    assert f"{tiny_model}: suite standard, version 1, seed 0: {told['problems']} problems" in caught.out
    assert caught.err == "" and max(map(len, caught.out.splitlines()[1:])) <= 120
    rows = _rows(caught.out)
    assert rows.pop(0)[:3] == ["operation", "problems", "right"]
    assert [row[:3] for row in rows[:2]] == [
        [row["operation"], str(row["problems"]), str(row["right"])] for row in told["operations"]
    ]
    assert sum(int(row[1]) for row in rows[:2]) == told["problems"]
    wrong = {row["case"] for row in told["cases"] if row["right"] < row["problems"]}
    assert {row[0] for row in rows} >= wrong and len(wrong) < len(told["cases"])
    assert "every other special case (" in caught.out
    assert f"{told['right']} of {told['problems']} right" in caught.out
    for name, title in (("trained_on", "trained on"), ("never_seen", "never seen")):
        assert f"{title}: {told[name]['right']} of {told[name]['problems']} right" in caught.out
    folder = own_folder / "evaluations" / _name(tiny_model) / "standard"
    assert told["command"] == f"calcgpt evaluate {tiny_model} --json --device cpu"
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == told
    assert len((folder / "failures.jsonl").read_text().splitlines()) == told["problems"] - told["right"]


def test_the_json_says_the_same(tiny_model: Path, report: Any) -> None:
    told = report("--suite", "quick", "--count", "5", "--seed", "3", "--operations", "+")
    assert told["suite"] == "quick" and told["unseen"] and told["seed"] == 3
    assert [(row["operation"], row["digits"]) for row in told["buckets"]] == [("+", "1")]
    assert [part["count"] for part in told["parts"]] == [5, 5] and told["trained_on"]["problems"] == 0
    assert told["model"] == str(tiny_model)


def test_every_problem_with_what_was_trained_on_apart(tiny_model: Path, report: Any, capsys: Output) -> None:
    assert main(["evaluate", str(tiny_model), "--exhaustive"]) == 0
    shown = capsys.readouterr().out
    assert "every problem of its range: 200 problems" in shown
    assert [row[:2] for row in _rows(shown)][1:3] == [["+", "100"], ["-", "100"]]
    told = report("--exhaustive")
    for name, title in (("trained_on", "trained on"), ("never_seen", "never seen")):
        assert f"{title}: {told[name]['right']} of {told[name]['problems']} right" in shown
    assert f"{told['right']} of 200 right" in shown
    assert told["trained_on"]["problems"] + told["never_seen"]["problems"] == 200
    for arguments in (["--exhaustive", "--digits", "1"], ["--suite", "exhaustive"]):
        assert report(*arguments)["problems"] == 200
    assert report("--exhaustive", "--digits", "1", "--operations", "-")["problems"] == 100


def test_lengths(tiny_model: Path, report: Any, capsys: Output) -> None:
    told = report("--digits", "1", "2", "--count", "10")
    assert told["suite"] == "lengths" and told["refused"] == 20, "this model's notation has one digit"
    assert {(row["operation"], row["digits"]) for row in told["buckets"]} == {(o, d) for o in "+-" for d in "12"}
    grid = report("--suite", "length-grid", "--digits", "1", "--count", "4")["grid"]
    assert [(row["operation"], row["first"], row["second"]) for row in grid] == [("+", 1, 1), ("-", 1, 1)]
    assert main(["evaluate", str(tiny_model), "--suite", "length-grid", "--count", "4"]) == 0
    assert "+ up to 1 x 1 digits: " in capsys.readouterr().out


def test_a_suite_of_ones_own(tiny_model: Path, own_folder: Path, report: Any) -> None:
    (own_folder / "mine.yaml").write_text("seed: 3\nparts: [{kind: carry, count: 4, operations: ['+']}]\n")
    told = report("--suite", "mine.yaml")
    assert (told["suite"], told["seed"]) == ("mine", 3) and {row["chain"] for row in told["carries"]} <= {0, 1}
    (folder,) = (own_folder / "evaluations" / _name(tiny_model)).glob("mine-*")
    assert told["failures_file"] == str(folder.relative_to(own_folder) / "failures.jsonl")


def test_a_data_file_and_its_language(tiny_model: Path, own_folder: Path, report: Any, capsys: Output) -> None:
    (own_folder / "data.txt").write_text("1+2=3\n9-4=5\n8+8=16\n")
    told = report("--dataset", "data.txt")
    assert told["suite"] == "dataset" and told["problems"] == 3
    assert [(row["test"], row["problems"]) for row in told["language"]] == [
        (name, 3) for name in ("operand", "expression", "prompt")
    ]
    assert main(["evaluate", str(tiny_model), "--dataset", "data.txt"]) == 0
    rows = {row[0]: row[1:] for row in _rows(capsys.readouterr().out)}
    last = told["language"][2]
    assert rows["prompt"] == [str(last[name]) for name in ("problems", "well_formed", "complete", "right", "exact")]
    assert any(name.startswith("first operand") for name in rows)


def test_wrong_answers_are_shown(tiny_model: Path, report: Any, capsys: Output) -> None:
    wrong = report("--exhaustive")["wrong"]
    assert main(["evaluate", str(tiny_model), "--exhaustive"]) == 0
    shown = capsys.readouterr().out
    for row in wrong[:10]:
        assert f"{row['problem']}={row['solution']}: the model says {row['answer']}, confidence " in shown
    assert ("wrong answers, those of which it was most sure:" in shown) == bool(wrong)


def test_a_share_that_is_required(tiny_model: Path, report: Any, capsys: Output) -> None:
    share = report("--exhaustive")["exact_match"]
    assert 0.3 < share < 1
    assert report("--exhaustive", "--require", str(share))["exact_match"] == share
    assert main(["evaluate", str(tiny_model), "--exhaustive", "--require", "1"]) == 1
    caught = capsys.readouterr()
    assert caught.err == f"calcgpt: {tiny_model}: {round(200 * share)} of 200 right, below 1.0\n"
    assert "of 200 right" in caught.out, "the tables are shown all the same"
    assert report("--exhaustive", "--require", "0")


def test_several_models(tiny_model: Path, own_folder: Path, report: Any, capsys: Output) -> None:
    copies = [str(shutil.copytree(tiny_model, own_folder / "models" / name)) for name in ("one", "two")]
    told = report("--exhaustive", models=("one", "two"))
    assert [each["model"] for each in told] == [str(Path("models") / name) for name in ("one", "two")]
    assert told[0]["right"] == told[1]["right"] and len(copies) == 2
    for name in ("one", "two"):
        assert (own_folder / "evaluations" / name / "exhaustive" / "report.json").exists()
    assert main(["evaluate", *copies, "--exhaustive", "--require", "1", "--folder", "here"]) == 1
    caught = capsys.readouterr()
    rows = _rows(caught.out)
    assert [row[:3] for row in rows[1:3]] == [
        [name, str(told[0]["problems"]), str(told[0]["right"])] for name in copies
    ]
    assert "all of them: trained on + - of 0 to 9, " in caught.out, "how they were trained"
    assert caught.err.count("\n") == 2 and caught.err.count("below 1.0") == 2
    assert (own_folder / "here" / "one" / "report.json").exists() and (own_folder / "here" / "two").exists()


def test_the_table(tiny_model: Path, own_folder: Path, report: Any) -> None:
    shutil.copytree(tiny_model, own_folder / "models" / "other")
    told = report("--count", "20", "--table", "out.csv", models=(str(tiny_model), "other"))
    with open(own_folder / "out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    for each in told:
        own = [row for row in rows if row["model"] == each["model"]]
        for table in ("all", "operations", "buckets", "seen"):
            for name in ("problems", "right"):
                assert sum(int(row[name]) for row in own if row["table"] == table) == each[name], table
        for table in ("carries", "cases", "places"):
            assert len([row for row in own if row["table"] == table]) == len(each[table]) > 0


def test_a_folder_of_ones_own(own_folder: Path, report: Any) -> None:
    told = report("--suite", "quick", "--folder", "deep/er")
    kept = json.loads((own_folder / "deep" / "er" / "report.json").read_text(encoding="utf-8"))
    assert told["command"] and kept == told
    assert told["failures_file"] == str(Path("deep/er/failures.jsonl"))
    assert not (own_folder / "evaluations").exists()


def test_an_interruption_says_where_it_goes_on(
    tiny_model: Path, own_folder: Path, report: Any, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    from calcgpt.evaluation import keeping
    from calcgpt.evaluation.subjects import PlainSubject

    expected, calls, answer = report("--suite", "quick", "--folder", "whole"), [0], PlainSubject.answer

    def stop(self: Any, *arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        return answer(self, *arguments)

    monkeypatch.setattr(keeping, "_INTERVAL", 0.0)
    monkeypatch.setattr(PlainSubject, "answer", stop)
    assert main(["evaluate", str(tiny_model), "--suite", "quick", "--device", "cpu"]) == 130
    caught = capsys.readouterr()
    folder = Path("evaluations") / _name(tiny_model) / "quick"
    assert (
        caught.err
        == f"calcgpt: interrupted: 40 problems are kept in {folder}, and the same command goes on from there\n"
    )
    assert (own_folder / folder / "state.json").exists()
    found = report("--suite", "quick")
    assert calls[0] < 3 + 4, "what was asked is not asked again"
    for key in APART:
        del found[key], expected[key]
    assert found == expected


def test_a_page_and_plots(tiny_model: Path, own_folder: Path) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["--suite", "quick", "--count", "5", "--report", "page.html", "--plots", "plots"]
    assert main(["evaluate", str(tiny_model), *arguments]) == 0
    assert str(tiny_model) in (own_folder / "page.html").read_text(encoding="utf-8")
    assert {entry.suffix for entry in (own_folder / "plots").iterdir()} == {".png", ".svg"}


def test_the_newest_model_is_meant_where_none_is_named(
    tiny_model: Path, own_folder: Path, report: Any, capsys: Output
) -> None:
    shutil.copytree(tiny_model, own_folder / "models" / "mine")
    assert main(["evaluate", "--suite", "quick", "--count", "2"]) == 0
    assert capsys.readouterr().out.startswith(str(Path("models/mine")))
    assert report("--suite", "quick", "--count", "2", models=("mine",))["model"] == str(Path("models/mine"))


def test_a_model_that_comes_with_the_package_is_called_by_its_name(report: Any, own_folder: Path) -> None:
    told = report("--suite", "carry", "--digits", "4", "--count", "1", models=("calculator",))
    assert told["model"] == "calculator" and told["right"] == told["problems"] == 9
    assert len(list((own_folder / "evaluations" / "calculator").glob("carry-*/report.json"))) == 1


def test_in_a_terminal(tiny_model: Path, in_terminal: Callable[..., tuple[int, str]]) -> None:
    code, screen = in_terminal("evaluate", str(tiny_model), "--suite", "quick", "--count", "3")
    assert code == 0 and "evaluating" in screen and "operation" in screen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing"], "there is no model 'nothing'"),
        (["--count", "0"], "--count must be at least 1, not 0"),
        (["--count", "many"], "--count must be a whole number"),
        (["--seed", "-1"], "--seed must be a whole number of 0 to 2^63 - 1, not -1"),
        (["--require", "2"], "--require must be a share of 0 to 1, not 2.0"),
        (["--require", "-0.5"], "--require must be a share of 0 to 1, not -0.5"),
        (["--require", "nan"], "--require must be a share of 0 to 1, not nan"),
        (["--suite", "nothing"], "there is no suite 'nothing'"),
        (["--suite", "nothing.yaml"], "cannot read the suite nothing.yaml"),
        (["--suite", "quick", "--exhaustive"], "expected one of --suite, --exhaustive and --dataset"),
        (["--exhaustive", "--dataset", "x"], "and got --exhaustive and --dataset"),
        (["--suite", "quick", "--dataset", "x"], "and got --suite and --dataset"),
        (["MODEL", "--dataset", "x.txt"], "x.txt"),
        (["MODEL", "--operations", "^"], "expected operations among + - * // %"),
        (["MODEL", "--operations", "*"], "the suite standard has nothing to ask "),
        (["MODEL", "--digits", "3x"], "expected digits such as 100, 20x10"),
        (["MODEL", "--digits", "3*5"], "the suite lengths has nothing to ask "),
        (["MODEL", "--exhaustive", "--digits", "9"], "expected at most 1,000,000,000"),
        (["MODEL", "--exhaustive", "--digits", "4"], "cannot be asked 9999+9999: "),
        (["MODEL", "--exhaustive", "--count", "5"], "--suite exhaustive asks every problem that it has"),
        (["MODEL", "--suite", ""], "there is no suite ''"),
        (["MODEL", "calculator", "--operations", "*"], "the suite standard has nothing to ask "),
        (["MODEL", "MODEL"], "expected different models to compare"),
        (["MODEL", "--folder", ""], "--folder: expected a folder for evaluations, not nothing"),
        (["MODEL", "--folder", "MODEL"], "--folder: expected a folder for evaluations, not "),
        (["MODEL", "--report", "x", "--table", "x"], "--report and --table would both be written to x"),
        (["MODEL", "--suite", "quick", "--table", "taken/x.csv"], "--table: cannot write taken/x.csv"),
        (["MODEL", "--suite", "quick", "--table", "x.xlsx"], "a table is written as CSV, not as .xlsx"),
        (["MODEL", "--suite", "quick", "--report", "."], "--report: cannot write .: a folder stands"),
        (["MODEL", "--suite", "quick", "--plots", "taken"], "--plots: cannot write taken"),
        (["MODEL", "--suite", "quick", "--folder", "taken"], "cannot write the evaluation to taken"),
    ],
)
def test_what_cannot_work_is_one_line(
    tiny_model: Path, own_folder: Path, capsys: Output, arguments: list[str], expected: str
) -> None:
    (own_folder / "taken").write_text("x")
    code = main(["evaluate", *(str(tiny_model) if text == "MODEL" else text for text in arguments)])
    caught = capsys.readouterr()
    assert code == 2
    assert caught.err.startswith("calcgpt: ") and expected in caught.err and caught.err.count("\n") == 1


def test_files_are_asked_for_before_anything_is_computed(
    tiny_model: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calcgpt.errors import ConfigError
    from calcgpt.evaluation import plots

    def missing() -> None:
        raise ConfigError("no matplotlib")

    monkeypatch.setattr(module, "_evaluate", lambda *arguments: pytest.fail("it was asked"))
    (own_folder / "taken").write_text("x")
    assert main(["evaluate", str(tiny_model), "--table", "taken/x.csv"]) == 2
    monkeypatch.setattr(plots, "require_matplotlib", missing)
    assert main(["evaluate", str(tiny_model), "--report", "x.html"]) == 2


def test_other_settings_of_a_suite_have_folders_of_their_own(own_folder: Path, report: Any) -> None:
    files = {
        report("--suite", "quick", *more)["failures_file"]
        for more in ([], ["--count", "5"], ["--count", "6"], ["--seed", "0"], ["--operations", "+"], ["--digits", "1"])
    }
    assert len(files) == 5, "seed 0 is the suite's own"
    assert all((own_folder / file).exists() for file in files)


def test_what_would_all_be_refused_is_one_line_at_once(tiny_model: Path, own_folder: Path, capsys: Output) -> None:
    for arguments in (["--suite", "quick", "--digits", "596519"], ["--digits", "7"]):
        assert main(["evaluate", str(tiny_model), "--device", "cpu", *arguments]) == 2
        caught = capsys.readouterr()
        assert caught.out == "" and caught.err.count("\n") == 1 and "cannot be asked" in caught.err
    assert not (own_folder / "evaluations").exists()
