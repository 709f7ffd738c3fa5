"""Plots: what is drawn is what the reports say."""

from __future__ import annotations

import builtins
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.operations import Operation, register, unregister
from calcgpt.errors import ConfigError
from calcgpt.evaluation import plots
from calcgpt.evaluation.report_axes import series_of
from calcgpt.evaluation.report_grids import learning_order, learnt_at, length_grid

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("error")
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
    return [line for line in axes.lines if line.get_marker() != "None"]


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
    assert [axes.get_title() for axes in figure.axes] == ["addition (+)", "subtraction (-)"]
    plus = figure.axes[0]
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
    shown = {names[round(x)]: y for x, y in line.get_xydata()}
    assert shown == {"20x10": 0.9, "4*3": 0.89, "3": 0.88, "5x1": 0.87}


@pytest.mark.parametrize("values", [[1, 10, 100, 1000], [3, 7, 40, 900], [1, 2, 5, 10, 20, 50], [7, 13, 200, 65_536]])
def test_wide_lengths_are_on_a_logarithmic_axis_of_integers(values: list[int]) -> None:
    buckets = [row(10, 5, operation="+", digits=str(digits)) for digits in values]
    figure = plots.accuracy_by_length([report(buckets=buckets)])
    assert figure is not None
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    ticks = seen_ticks(axes)
    assert len(ticks) >= 2 and all(value == int(value) for value in ticks)
    assert {f"{value:,.0f}" for value in ticks} <= set(shown_words(figure)), "numbers, no powers"
    assert data_lines(axes)[0].get_xdata().tolist() == values


@pytest.mark.parametrize("values", [[1], [1, 2], [0, 1, 2, 3], [9, 10], [3, 30], [1, 7, 12], list(range(1, 101))])
def test_narrow_lengths_are_on_a_linear_axis_of_integers(values: list[int]) -> None:
    buckets = [row(10, 5, operation="+", digits=str(digits)) for digits in values]
    reports = [report(model=name, buckets=buckets) for name in "abcde"]
    figure = plots.accuracy_by_length(reports)
    assert figure is not None
    (axes,) = figure.axes
    ticks = seen_ticks(axes)
    assert axes.get_xscale() == "linear" and 1 <= len(ticks) <= 12
    assert all(value == int(value) and values[0] <= value <= values[-1] for value in ticks)
    for line in data_lines(axes):
        assert line.get_xdata().tolist() == values, "no model stands beside its length"


def seen_ticks(axes: Any) -> list[float]:
    low, high = axes.get_xlim()
    return [float(value) for value in axes.get_xticks() if low <= value <= high]


def test_the_axis_is_logarithmic_towards_100_where_everything_is_high() -> None:
    low = plots.accuracy_by_length([report(buckets=lengths(100, 20))])
    half = plots.accuracy_by_length([report(buckets=lengths(100, 75))])
    high = plots.accuracy_by_length([report(buckets=lengths(9_999, 10_000, 9_990, problems=10_000))])
    assert low is not None and half is not None and high is not None
    assert low.axes[0].get_yscale() == "linear" and low.axes[0].get_ylim()[0] < 0
    assert half.axes[0].get_yscale() == "linear" and 0.65 < half.axes[0].get_ylim()[0] < 0.75
    axes = high.axes[0]
    assert axes.get_yscale() == "symlog" and "logarithmic" in axes.get_ylabel()
    assert data_lines(axes)[0].get_ydata().tolist() == pytest.approx([0.0001, 0, 0.001]), "shares of errors"
    heights = axes.transData.transform([(1, 0.01), (1, 0.001), (1, 0.0001), (1, 0)])[:, 1]
    assert (np.diff(heights) > 20).all(), "an error in ten thousand can be seen"
    worst = 1 - min(bucket["interval"][0] for bucket in lengths(9_990, problems=10_000))
    assert axes.get_ylim()[0] > worst
    ticks = shown_words(high)
    assert ticks.count("100%") == 1 and "99.9%" in ticks


def test_all_right_is_drawn_at_the_top() -> None:
    figure = plots.accuracy_by_length([report(buckets=lengths(100, 100))])
    assert figure is not None
    axes = figure.axes[0]
    assert data_lines(axes)[0].get_ydata().tolist() == [1.0, 1.0] and axes.get_yscale() == "linear"
    assert 0.8 < axes.get_ylim()[0] < 0.99 and 1 < axes.get_ylim()[1] < 1.01
    assert {"90%", "100%"} <= set(shown_words(figure))


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
    assert text.get_text() == ">99.9"
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


def test_exact_match_of_a_training_that_began_well_is_logarithmic() -> None:
    records = [{"step": step, "eval_loss": 0.1, "exact_match": match} for step, match in ((1, 0.92), (2, 0.998))]
    figure = plots.training_curves({"one": records})
    assert figure is not None
    axes = figure.axes[-1]
    assert axes.get_yscale() == "symlog" and 0.08 < axes.get_ylim()[0] < 0.2
    assert "logarithmic" in axes.get_ylabel()


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
    dots = [dot.get_xydata().tolist()[0] for dot in axes.lines]
    assert dots == [[60, 0], [40, 1]], "the units were unlearnt again at 40"


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
    looks = series_of([], "abc")
    assert len({json.dumps(each.line) for each in looks}) == 3, "in black and white as well"
    assert len({line.get_markersize() for line in lines}) == 3, "points that coincide can all be seen"
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
    made = plots.all_plots(reports, {"a": [], "b": RECORDS, "c": RECORDS})
    colors = [each.color for each in series_of(reports)]
    for name, expected in (("by-length", colors), ("by-carry", colors[1:]), ("calibration", colors[1:])):
        lines = data_lines(made[name].axes[0])
        assert [line.get_color() for line in lines] == expected, name
    assert [line.get_color() for line in made["training"].axes[0].lines] == colors[1:], "a has no records"


def test_grids_of_several_models_stand_side_by_side() -> None:
    figure = length_grid(three())
    assert figure is not None
    figure.draw_without_rendering()
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[:2] == ["models/a\naddition (+)", "_b $x^$\naddition (+)"]
    assert len({axes.get_position().y0 for axes in figure.axes[:3]}) == 1


def test_twenty_models_look_different() -> None:
    assert len({(each.color, each.marker) for each in series_of([], map(str, range(20)))}) == 20


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


def seeds(*rights: int, first: int = 0) -> list[Report]:
    """Runs of one recipe."""
    return [
        report(
            model=f"models/sums-seed-{first + n}",
            buckets=lengths(100, right),
            grid=[row(100, right, operation="+", first=1, second=1)],
            calibration=[{"low": 0.9, "high": 1.0, "problems": 100, "right": right, "confidence": 0.95}],
            run={"seed": first + n, "settings": {"num_layers": "2"}, "steps": 60},
        )
        for n, right in enumerate(rights)
    ]


def test_seeds_of_one_recipe_are_a_mean_and_a_range() -> None:
    alone = report(model="models/other", buckets=lengths(50, 60))
    reports = [*seeds(90, 60, 30), alone]
    figure = plots.accuracy_by_length(reports)
    assert figure is not None
    (axes,) = figure.axes
    mean, other = data_lines(axes)
    assert mean.get_ydata().tolist() == pytest.approx([1.0, 0.6]) and other.get_ydata().tolist() == [0.5, 0.6]
    corners = axes.collections[0].get_paths()[0].vertices.tolist()
    assert [2, pytest.approx(0.3)] in corners and [2, pytest.approx(0.9)] in corners
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "models/sums (3 seeds): mean, range",
        "models/other",
    ]
    grid = length_grid(reports)
    assert grid is not None and [text.get_text() for text in grid.axes[0].texts] == ["60.0"]
    assert grid.axes[0].get_title() == "models/sums (3 seeds)\naddition (+)"
    diagram = plots.calibration(reports)
    assert diagram is not None and data_lines(diagram.axes[0])[0].get_xydata()[0] == pytest.approx([0.95, 0.6])


def test_seeds_of_one_recipe_train_as_a_mean_and_a_range() -> None:
    slow = [{**record, "step": record["step"] + 20} if "eval_loss" in record else record for record in RECORDS]
    records = {"models/sums-seed-0": RECORDS, "models/sums-seed-1": slow, "alone": RECORDS}
    figure = plots.training_curves(records, seeds(1, 1))
    assert figure is not None
    mean, other = figure.axes[-1].lines
    assert mean.get_xydata().tolist() == [[20, 0.25], [40, 0.25], [60, 0.75], [80, 0.75]]
    assert other.get_xydata().tolist() == [[20, 0.25], [60, 0.75]]
    order = learning_order(records, seeds(1, 1))
    assert order is not None
    assert [axes.get_title() for axes in order.axes[:2]] == ["models/sums (2 seeds)", "alone"]
    bars = [line.get_xydata().tolist() for line in order.axes[0].lines]
    assert bars[1] == [[60, 0], [80, 0]] and bars[2] == [[70, 0]], "the units: range and mean"


def test_one_model_asked_two_suites_is_no_seed() -> None:
    (one,) = seeds(90)
    assert len(series_of([one, {**one, "suite": "lengths"}])) == 2
    (twice,) = series_of([one, {**one, "model": "models/copy"}])
    assert twice.name.endswith("(2 runs)"), "two runs of one seed"


def test_operations_stand_in_one_order() -> None:
    register(Operation("!", "largest", max, max))
    try:
        symbols = ["!", "%", "*", "?", "+", "-", "//"]
        buckets = [row(10, 5, operation=symbol, digits="1") for symbol in symbols]
        grid = [row(10, 5, operation=symbol, first=1, second=1) for symbol in symbols]
        reports = [report(buckets=buckets, grid=grid)]
        expected = [
            "addition (+)",
            "subtraction (-)",
            "multiplication (*)",
            "floor division (//)",
            "remainder (%)",
            "largest (!)",
            "?",
        ]
        for figure in (plots.accuracy_by_length(reports), length_grid(reports)):
            assert figure is not None
            assert [axes.get_title() for axes in figure.axes if axes.get_title()] == expected
    finally:
        unregister("!")


def shown_words(figure: Any) -> list[str]:
    """The words of a figure as they are drawn."""
    figure.draw_without_rendering()
    return [text.get_text() for text, _ in drawn_boxes(figure)]


def drawn_boxes(figure: Any) -> list[tuple[Any, Any]]:
    """Every text that is drawn, with its bounding box in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden: set[int] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low <= tick.get_loc() <= high:
                    hidden |= {id(tick.label1), id(tick.label2)}
    renderer = canvas.get_renderer()
    return [
        (text, text.get_window_extent(renderer))
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]


def many(
    models: int, symbols: str, digits: Any, share: float, refused: bool = False, problems: int = 1000
) -> list[Report]:
    """Reports of several models with long names, of which nothing is like the other."""
    found = []
    for model in range(models):
        right = 0 if refused else min(problems, round(problems * share) + (model if 0 < share < 1 else 0))
        plain = [length for length in digits if str(length).isdecimal()]
        found.append(
            report(
                model=f"models/a-model-whose-name-is-rather-long-{model}" if model % 2 else f"m{model}",
                buckets=[row(problems, right, operation=s, digits=str(n)) for s in symbols for n in digits],
                carries=[row(problems, right, operation=s, chain=n) for s in symbols[:2] for n in range(len(digits))],
                places=[] if refused else [
                    {"operation": s, "place": n, "digits": problems, "right": right, "accuracy": right / problems}
                    for s in symbols for n in range(len(digits) + 1)
                ],
                grid=[
                    row(problems, right, operation=s, first=a, second=b) for s in symbols for a in plain for b in plain
                ],
                calibration=[] if refused else [
                    {"low": 0.9, "high": 1.0, "problems": problems, "right": right, "confidence": 0.9999}
                ],
            )
        )  # fmt: skip
    return found


def trained(steps: int, every: int, places: int = 4) -> list[Report]:
    losses = [{"step": step, "loss": 3 / step} for step in range(1, steps + 1)]
    validations = [
        {"step": step, "eval_loss": 3 / step, "exact_match": step / steps, "digit_accuracy": [step / steps] * places}
        for step in range(every, steps + 1, every)
    ]
    return losses + validations


SCENES = {
    "one": (many(1, "+", [1], 1.0), trained(300, 100)),
    "two, all wrong, one step": (many(2, "+-", [1, 2, 3], 0.0), trained(1, 1)),
    "two, refused, no validation": (many(2, "+-", [1, 2, 3], 0.0, refused=True), trained(50, 100)),
    "three, nearly right": (many(3, "+-", [1, 2], 0.98), trained(300, 100)),
    "two, one of 10,000 wrong": (many(2, "+", [1, 10, 100], 0.9999, problems=10_000), []),
    "five, twelve lengths": (many(5, "+", range(1, 13), 0.6), trained(1_200, 100, 12)),
    "nine, all right, two validations": (many(9, "+", [1, 1000], 1.0), trained(20, 10)),
    "long lengths": (many(1, "+", [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000], 0.5), []),
    "shapes": (many(2, "*", [f"{a}x{b}" for a in (1, 20, 100) for b in (3, 5, 10, 1000)], 0.5), []),
}


@pytest.mark.parametrize("scene", SCENES)
def test_words_neither_overlap_nor_leave_the_figure(scene: str) -> None:
    reports, lines = SCENES[scene]
    made = plots.all_plots(reports, {report["model"]: lines for report in reports} if lines else None)
    narrow = {f"{name} narrow": figure.narrow() for name, figure in made.items() if figure.narrow is not None}
    for name, figure in {**made, **narrow}.items():
        boxes = drawn_boxes(figure)
        assert boxes, name
        for index, (text, box) in enumerate(boxes):
            where = f"{name}: {text.get_text()!r}"
            assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, (
                where
            )
            for other, its in boxes[index + 1 :]:
                apart = box.x1 <= its.x0 + 1 or its.x1 <= box.x0 + 1 or box.y1 <= its.y0 + 1 or its.y1 <= box.y0 + 1
                assert apart, f"{where} is over {other.get_text()!r}"
        for axes in figure.axes:
            inches = axes.get_position().bounds[2] * figure.get_figwidth()
            assert inches > 1.5, f"{name}: a panel of nothing"


def test_a_short_run_has_its_learning_order() -> None:
    figure = learning_order({name: trained(300, 100) for name in "abc"})
    assert figure is not None
    figure.draw_without_rendering()
    *all_axes, _ = figure.axes
    for axes in all_axes:
        assert axes.get_position().height * figure.get_figheight() > 0.8
        assert all(step == int(step) for step in axes.get_xticks())


def test_a_narrow_page_has_the_same_plot_in_one_column() -> None:
    figure = plots.accuracy_by_length(many(2, "+-", [1, 2], 0.5))
    assert figure is not None and figure.narrow is not None
    narrow = figure.narrow()
    assert narrow.get_figwidth() < 4.5 < figure.get_figwidth() and narrow.narrow is None
    assert [axes.get_title() for axes in narrow.axes] == [axes.get_title() for axes in figure.axes]


def test_a_page_has_a_drawing_for_each_width_in_its_own_ink() -> None:
    (one,) = many(1, "+", [1, 2], 0.5)
    single, double = plots.accuracy_by_length([one]), plots.accuracy_by_length(many(1, "+-", [1, 2], 0.5))
    assert single is not None and double is not None
    page = plots.inline_svg(single, "by-length", 'a "label"')
    assert page.count("<svg") == 1 and "&quot;label&quot;" in page and "viewBox" in page and "width:100%" in page
    assert "currentColor" in page and "#1b1b1b" not in page and "http" not in page and 'pt"' not in page
    for svg in re.findall(r"<svg.*?</svg>", plots.inline_svg(double, "by-length"), flags=re.DOTALL):
        ElementTree.fromstring(re.sub(r"xlink:", "", svg))
        assert set(re.findall(r"#([\w-]+)\)", svg)) <= set(re.findall(r'id="([\w-]+)"', svg))
    both = plots.inline_svg(double, "by-length")
    assert both.count("<svg") == 2 and "calcgpt-narrow" in both and "max-width: 48rem" in both
    assert len(re.findall(r'\bid="', both)) == len(set(re.findall(r'\bid="([^"]+)"', both))), "ids are unique"


def test_all_ink_follows_the_theme() -> None:
    figure = plots.training_curves({"one": trained(300, 100)})
    assert figure is not None
    svg = plots.svg_text(figure)
    assert "prefers-color-scheme: dark" in svg and "#000000" not in svg
    for text in re.findall(r"<text [^>]*>", svg):
        assert "fill: currentColor" in text, "black on black"
    transparent = plots.svg_text(figure, transparent=True)
    assert "<style>\n@media" not in transparent and 'class="paper"' not in transparent


def test_a_figure_displays_itself() -> None:
    from matplotlib.figure import Figure

    figure = plots.accuracy_by_length(seeds(90))
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG") and figure._repr_svg_().startswith("<svg")
    ElementTree.fromstring(figure._repr_svg_())


def test_the_callers_style_does_not_reach_the_plots() -> None:
    import matplotlib

    plain = plots.svg_text(plots.all_plots(seeds(90))["by-length"])
    with matplotlib.rc_context(
        {"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9, "svg.fonttype": "path"}
    ):
        assert plots.svg_text(plots.all_plots(seeds(90))["by-length"]) == plain


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
