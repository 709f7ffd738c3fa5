"""Plots: what is drawn is what the reports say."""

from __future__ import annotations

import builtins
import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcgpt.errors import ConfigError
from calcgpt.evaluation import plots
from calcgpt.evaluation.report_axes import looks, stretch
from calcgpt.evaluation.report_grids import learning_order, learnt_at, length_grid

pytest.importorskip("matplotlib")
Report = dict[str, Any]


def row(problems: int, right: int, **more: Any) -> Report:
    share = right / problems if problems else None
    interval = [max(0.0, share - 0.01), min(1.0, share + 0.005)] if share is not None else None
    return {**more, "problems": problems, "right": right, "malformed": 0, "exact_match": share, "interval": interval}


def report(**parts: Any) -> Report:
    empty: Report = {key: [] for key in ("operations", "buckets", "carries", "cases", "grid", "places", "calibration")}
    return {"model": "models/one", "suite": "standard", "version": 1, "seed": 0, **empty, "wrong": [], **parts}


def lengths(*rights: int, operation: str = "+", problems: int = 100) -> list[Report]:
    return [row(problems, right, operation=operation, digits=str(n + 1)) for n, right in enumerate(rights)]


def data_lines(axes: Any) -> list[Any]:
    """The lines of data, without the caps of the interval bars."""
    return [line for line in axes.lines if line.get_marker() not in ("_", 2, 3, "None", None)]


RECORDS = [
    {"step": 10, "loss": 2.0, "seconds": 0.1},
    {"step": 20, "loss": 1.0, "seconds": 0.2},
    {"step": 20, "eval_loss": 1.1, "exact_match": 0.25, "digit_accuracy": [0.995, 0.5]},
    {"step": 30, "loss": 0.5, "seconds": 0.3},
    {"step": 40, "eval_loss": 0.4, "exact_match": None, "digit_accuracy": [0.9, 0.99]},
    {"step": 60, "eval_loss": 0.2, "exact_match": 0.75, "digit_accuracy": [1.0, 0.992, 0.1]},
]


def test_exact_match_by_length_is_what_the_buckets_say() -> None:
    buckets = lengths(100, 90, 40) + lengths(100, 99, operation="-")
    figure = plots.accuracy_by_length([report(buckets=buckets[::-1])])
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["subtraction (-)", "addition (+)"]
    plus = figure.axes[1]
    (line,) = data_lines(plus)
    assert line.get_xydata().tolist() == [[1, 1.0], [2, 0.9], [3, 0.4]]
    (bars,) = plus.collections
    for segment, bucket in zip(bars.get_segments(), buckets[:3], strict=True):
        assert segment[:, 1].tolist() == pytest.approx(bucket["interval"])


def test_lengths_that_are_no_numbers_are_named_and_not_joined() -> None:
    digits = ["20x10", "4*3", "3", "5x1"]
    buckets = [row(100, 90 - n, operation="*", digits=name) for n, name in enumerate(digits)]
    figure = plots.accuracy_by_length([report(buckets=buckets)])
    assert figure is not None
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["3", "4*3", "5x1", "20x10"]
    (line,) = data_lines(axes)
    assert line.get_linestyle() == "None"
    shown = {names[int(x)]: y for x, y in line.get_xydata()}
    assert shown == {"20x10": 0.9, "4*3": 0.89, "3": 0.88, "5x1": 0.87}


def test_wide_lengths_are_on_a_logarithmic_axis() -> None:
    buckets = [row(10, 5, operation="+", digits=str(digits)) for digits in (1, 10, 100, 1000)]
    figure = plots.accuracy_by_length([report(buckets=buckets)])
    assert figure is not None
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_xticks().tolist() == [1, 10, 100, 1000]


def test_the_axis_is_stretched_where_everything_is_high() -> None:
    low = plots.accuracy_by_length([report(buckets=lengths(100, 20))])
    half = plots.accuracy_by_length([report(buckets=lengths(100, 75))])
    high = plots.accuracy_by_length([report(buckets=lengths(9_999, 10_000, 9_990, problems=10_000))])
    assert low is not None and half is not None and high is not None
    assert low.axes[0].get_yscale() == "linear" and low.axes[0].get_ylim()[0] < 0
    assert half.axes[0].get_yscale() == "linear" and 0.65 < half.axes[0].get_ylim()[0] < 0.75
    axes = high.axes[0]
    assert axes.get_yscale() == "function"
    heights = axes.transData.transform([(1, 0.99), (1, 0.999), (1, 0.9999), (1, 1.0)])[:, 1]
    assert (np.diff(heights) > 20).all(), "an error in ten thousand can be seen"
    assert axes.get_ylim()[0] < min(bucket["interval"][0] for bucket in lengths(9_990, problems=10_000))
    ticks = [text.get_text() for text in axes.get_yticklabels()]
    assert ticks[-1] == "100%" and ticks.count("100%") == 1 and "99.9%" in ticks


def test_all_right_is_drawn_at_the_top_of_the_stretched_axis() -> None:
    figure = plots.accuracy_by_length([report(buckets=lengths(100, 100))])
    assert figure is not None
    figure.draw_without_rendering()
    (line,) = data_lines(figure.axes[0])
    assert line.get_ydata().tolist() == [1.0, 1.0]
    assert np.isfinite(figure.axes[0].transData.transform(line.get_xydata())).all()


@pytest.mark.parametrize("least", [0.05, 1e-3, 1e-7])
def test_the_stretch_and_its_inverse(least: float) -> None:
    forward, inverse = stretch(least)
    shares = np.array([0.0, 0.5, 0.9, 0.99, 1.0])
    assert inverse(forward(shares)) == pytest.approx(shares)
    assert forward(1.0) == pytest.approx(-math.log10(least))


def test_right_digits_by_place() -> None:
    places = [{"operation": "+", "place": n, "digits": 10, "right": 10 - n, "accuracy": 1 - n / 10} for n in range(3)]
    figure = plots.accuracy_by_place([report(places=places)])
    assert figure is not None
    (line,) = data_lines(figure.axes[0])
    assert line.get_xydata().tolist() == [[0, 1.0], [1, 0.9], [2, 0.8]]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["units", "tens", "hundreds"]


def test_exact_match_by_carry() -> None:
    carries = [row(10, 10 - chain, operation=symbol, chain=chain) for symbol in "+-" for chain in range(3)]
    figure = plots.accuracy_by_carry([report(carries=carries)])
    assert figure is not None
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "longest chain of carries in the problem",
        "longest chain of borrows in the problem",
    ]
    for axes in figure.axes:
        assert data_lines(axes)[0].get_xydata().tolist() == [[0, 1.0], [1, 0.9], [2, 0.8]]


def test_calibration_with_counts() -> None:
    bins = [
        {"low": 0.5, "high": 0.6, "problems": 4, "right": 1, "confidence": 0.55},
        {"low": 0.9, "high": 1.0, "problems": 200, "right": 190, "confidence": 0.97},
    ]
    figure = plots.calibration([report(calibration=bins)])
    assert figure is not None
    diagram, counts = figure.axes
    (line,) = data_lines(diagram)
    assert line.get_xydata().tolist() == [[0.55, 0.25], [0.97, 0.95]]
    assert data_lines(counts)[0].get_xydata().tolist() == [[0.55, 4], [0.97, 200]]
    assert diagram.get_xlim()[0] < 0.25


def test_the_grid_is_what_the_cells_say() -> None:
    cells = [
        row(100, 10 * first + second, operation="+", first=first, second=second)
        for first in (1, 2)
        for second in (3, 9)
    ]
    figure = length_grid([report(grid=[*cells[1:], row(100, 50, operation="-", first=1, second=1)])])
    assert figure is not None
    plus = figure.axes[0]
    values = plus.collections[0].get_array()
    assert values.shape == (2, 2) and values.mask.tolist() == [[True, False], [False, False]]
    assert values[~values.mask].tolist() == [0.19, 0.23, 0.29]
    assert sorted(text.get_text() for text in plus.texts) == ["19.0", "23.0", "29.0"]
    assert "grey: not asked" in plus.get_xlabel()
    assert [label.get_text() for label in plus.get_xticklabels()] == ["3", "9"]


def test_a_cell_that_is_not_all_right_never_says_100() -> None:
    figure = length_grid([report(grid=[row(10**6, 10**6 - 4, operation="+", first=1, second=1)])])
    assert figure is not None
    (text,) = figure.axes[0].texts
    assert text.get_text() == "99.9996"
    assert figure.axes[0].collections[0].norm.vmin == pytest.approx(0.99999), "the colours are stretched as well"


def test_a_large_grid_has_few_ticks_and_no_words() -> None:
    grid = [row(10, (a + b) % 11, operation="+", first=a, second=b) for a in range(1, 101) for b in range(1, 101)]
    figure = length_grid([report(grid=grid)])
    assert figure is not None
    axes = figure.axes[0]
    assert axes.collections[0].get_array().shape == (100, 100) and not axes.texts
    assert axes.collections[0].get_array()[36, 57] == ((37 + 58) % 11) / 10
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["1", *map(str, range(10, 101, 10))]
    assert len(plots.svg_text(figure)) < 200_000


def test_training_curves_are_the_records() -> None:
    figure = plots.training_curves({"one": RECORDS})
    assert figure is not None
    loss, validation, match = (axes.lines[0].get_xydata().tolist() for axes in figure.axes)
    assert loss == [[10, 2.0], [20, 1.0], [30, 0.5]]
    assert validation == [[20, 1.1], [40, 0.4], [60, 0.2]]
    assert match == [[20, 0.25], [60, 0.75]]
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log", "linear"]


def test_exact_match_of_a_training_that_began_well_is_stretched() -> None:
    records = [{"step": step, "eval_loss": 0.1, "exact_match": match} for step, match in ((1, 0.92), (2, 0.998))]
    figure = plots.training_curves({"one": records})
    assert figure is not None
    axes = figure.axes[-1]
    assert axes.get_yscale() == "function" and 0.5 < axes.get_ylim()[0] < 0.92
    assert "stretched" in axes.get_ylabel()


def test_long_records_are_thinned_and_keep_their_ends() -> None:
    figure = plots.training_curves({"one": [{"step": step, "loss": 1 / step} for step in range(1, 10_001)]})
    assert figure is not None
    steps = figure.axes[0].lines[0].get_xdata()
    assert len(steps) < 700 and steps[0] == 1 and steps[-1] == 10_000


def test_when_each_place_was_learnt() -> None:
    figure = learning_order({"one": RECORDS})
    assert figure is not None
    axes = figure.axes[0]
    values = axes.collections[0].get_array()
    assert values.shape == (3, 3) and values[:, 0].tolist() == [0.995, 0.5, None]
    (dots,) = axes.lines
    assert dots.get_xydata().tolist() == [[60, 0], [40, 1]], "the units were unlearnt again at 40"


def test_a_single_validation_shows_no_order() -> None:
    assert learning_order({"m": RECORDS[:3]}) is None and learning_order({"m": RECORDS}) is not None


def test_learnt_is_for_good() -> None:
    assert learnt_at([1, 2, 3], [0.99, 0.99, 1.0]) == 1
    assert learnt_at([1, 2, 3], [1.0, 0.98, 1.0]) == 3
    assert learnt_at([1, 2, 3], [1.0, 1.0, 0.98]) is None
    assert learnt_at([1, 2], [1.0, math.nan]) is None


def three() -> list[Report]:
    return [
        report(model=name, buckets=lengths(100, right), grid=[row(10, 9, operation="+", first=1, second=1)])
        for name, right in (("models/a", 90), ("_b $x^$", 80), ("模型", 70))
    ]


def test_several_models_are_one_line_each() -> None:
    figure = plots.accuracy_by_length(three())
    assert figure is not None
    lines = data_lines(figure.axes[0])
    assert [line.get_ydata().tolist() for line in lines] == [[1.0, 0.9], [1.0, 0.8], [1.0, 0.7]]
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in lines}) == 3
    assert len({json.dumps(look.line) for look in looks(3)}) == 3, "in black and white as well"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["models/a", "_b $x^$", r"\u6a21\u578b"]
    svg = plots.svg_text(figure)
    assert "_b $x^$" in svg and "\\u6a21" in svg


def test_a_model_looks_the_same_in_every_plot() -> None:
    shown = {
        "buckets": lengths(100, 90),
        "carries": [row(10, 9, operation="+", chain=1)],
        "calibration": [{"low": 0.9, "high": 1.0, "problems": 10, "right": 9, "confidence": 0.95}],
    }
    wordless = {**shown, "carries": [], "calibration": []}
    reports = [report(model=name, **own) for name, own in (("a", wordless), ("b", shown), ("c", shown))]
    made, colors = plots.all_plots(reports, {"a": [], "b": RECORDS, "c": RECORDS}), [way.color for way in looks(3)]
    for name, expected in (("by-length", colors), ("by-carry", colors[1:]), ("calibration", colors[1:])):
        lines = data_lines(made[name].axes[0])
        assert [line.get_color() for line in lines] == expected, name
    assert [line.get_color() for line in made["training"].axes[0].lines] == colors[1:], "a has no records"


def test_grids_of_several_models_stand_side_by_side() -> None:
    figure = length_grid(three())
    assert figure is not None
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[:2] == ["models/a\naddition (+)", "_b $x^$\naddition (+)"]
    assert len({axes.get_position().y0 for axes in figure.axes[:3]}) == 1


def test_twenty_models_look_different() -> None:
    assert len({(look.color, look.marker) for look in looks(20)}) == 20


def test_one_model_asked_two_suites_has_two_names() -> None:
    reports = [report(suite=suite, buckets=lengths(50)) for suite in ("standard", "lengths")]
    figure = plots.accuracy_by_length(reports)
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "models/one (standard)",
        "models/one (lengths)",
    ]


def test_nothing_to_show_is_left_out() -> None:
    assert plots.all_plots([report()], None) == {}
    assert plots.all_plots([], {}) == {}
    nothing = row(0, 0, operation="+", digits="1", first=1, second=1, chain=0)
    assert plots.all_plots([report(buckets=[nothing], grid=[nothing], carries=[nothing])], {"models/one": []}) == {}
    steps = [{"step": 1, "loss": 1.0}]
    assert list(plots.all_plots([report(buckets=lengths(5))], {"models/one": steps})) == ["by-length", "training"]


def test_records_of_no_length_can_be_drawn() -> None:
    records = [
        {"step": 0, "loss": 1.0},
        {"step": 0, "eval_loss": math.nan, "exact_match": 0.0, "digit_accuracy": [0.5]},
    ]
    for figure in plots.all_plots([], {"one": records}).values():
        assert "<svg" in plots.svg_text(figure)


def test_files_are_written_and_the_same_every_time(tmp_path: Path) -> None:
    def make(folder: Path) -> list[Path]:
        return plots.save_plots(plots.all_plots(three(), {"models/a": RECORDS}), folder)

    first, second = make(tmp_path / "new" / "one"), make(tmp_path / "two")
    names = [
        f"{name}.{kind}"
        for name in ("length-grid", "by-length", "training", "learning-order")
        for kind in ("png", "svg")
    ]
    assert [path.name for path in first] == names
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(names), "nothing else is left"
    for path in first:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
            assert "<dc:date>" not in path.read_text(encoding="utf-8")
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_names_of_plots_stay_in_the_folder(tmp_path: Path) -> None:
    figure = plots.accuracy_by_length([report(buckets=lengths(5))])
    assert figure is not None
    with pytest.raises(ConfigError, match="names of files"):
        plots.save_plots({"../out": figure}, tmp_path)


def test_plots_leave_no_state_behind() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures = plots.all_plots(three(), {"models/a": RECORDS})
    for figure in figures.values():
        plots.svg_text(figure)
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match="pip install matplotlib"):
        plots.require_matplotlib()
    with pytest.raises(ConfigError, match="matplotlib"):
        plots.all_plots([report()], None)
