"""`calcgpt explain`: looks inside a model, at one answer or for the carries."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from calcgpt.cli.explain_options import ExplainOptions
    from calcgpt.evaluation.explain import Explanation, WrittenToken
    from calcgpt.inference.solver import CalcGPT

Report = dict[str, Any]
_LEAST = 0.005  # of a head's attention, below which a token is not named
_ABREAST = 3  # layers in a table of probes: with the controls they fit into 80 columns
_FEW = 60  # characters of tokens that are shown in a line, beyond which work is only counted


def run(args: list[str]) -> int:
    """Runs `calcgpt explain` with these arguments and returns the exit code. Raises CalcGPTError, and OSError for a
    page that cannot be written.
    """
    from calcgpt.cli.explain_options import read

    options = read(args)
    if options.html is not None:
        from calcgpt.runtime.files import check_writable

        check_writable(options.html)
    solver, name = _load(options)
    return _probe(solver, name, options) if options.probe else _explain(solver, name, options)


def _load(options: ExplainOptions) -> tuple[CalcGPT, str]:
    """The solver, and what people call it; the one that nobody named is named on standard error."""
    from calcgpt.inference.solver import CalcGPT
    from calcgpt.model.catalog import ships, shown_name

    solver = CalcGPT(options.model, device=options.device)
    assert solver.path is not None
    name = shown_name(solver.path)
    if options.model is None:
        print(f"model: {name}{', which comes with CalcGPT' if ships(solver.path) else ''}", file=sys.stderr)
    return solver, name


def _explain(solver: CalcGPT, name: str, options: ExplainOptions) -> int:
    from calcgpt.cli.display import output
    from calcgpt.evaluation.explain import explain

    explanation = explain(solver, options.problem, options.top)
    if options.json:
        print(json.dumps({"model": name, **explanation.to_dict()}, ensure_ascii=False))
    else:
        _show(output(), explanation, options)
    if options.html is not None:
        from calcgpt.evaluation.explain_page import page
        from calcgpt.runtime.files import write_atomic

        write_atomic(options.html, page(explanation, name, options.all))
        print(f"page: {options.html}", file=sys.stderr)
    return 0


def _show(console: Console, explanation: Explanation, options: ExplainOptions) -> None:
    from calcgpt.arithmetic.parsing import shorten
    from calcgpt.evaluation.explain_page import shown_tokens
    from calcgpt.runtime.figures import percent_text

    answer = "?" if explanation.answer is None else explanation.answer
    verdict = "right" if explanation.is_correct else f"wrong, it is {shorten(explanation.solution)}"
    line = f"{explanation.problem} = {answer}   {verdict}, confidence {percent_text(explanation.confidence)}"
    console.print(line, markup=False, soft_wrap=True)
    if explanation.answer is None:
        console.print("what the model wrote is no number, so all of it is shown")
    own = shown_tokens(explanation, options.all)
    console.print(f"reads  {_joined([token.text for token in explanation.prompt])}", markup=False, soft_wrap=True)
    console.print(f"writes {_joined([token.text for token in explanation.written])}", markup=False, soft_wrap=True)
    if len(own) < len(explanation.written):
        told = f"{len(own)} of {len(explanation.written)} written tokens make the answer; --all shows the others too"
        console.print(told, style="dim")
    for index in own:
        console.print()
        _show_token(console, explanation, index, options.top)


def _joined(texts: list[str]) -> str:
    text = " ".join(texts)
    return text if len(text) <= _FEW else f"{text[:_FEW].rsplit(' ', 1)[0]} … ({len(texts):,} tokens)"


def _show_token(console: Console, explanation: Explanation, index: int, top: int) -> None:
    """A digit with its rivals, and below it a line or more for each head."""
    from rich.table import Table
    from rich.text import Text

    token = explanation.written[index]
    console.print(_headline(token))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    layers, heads = explanation.attention.shape[:2]
    for layer in range(layers):
        for head in range(heads):
            name = f"  layer {layer + 1} head {head + 1}"
            items = [
                Text.assemble(
                    (explanation.tokens[seen].text, "bold"), f" {explanation.tokens[seen].meaning} {weight:.0%}"
                )
                for seen, weight in explanation.attended(index, layer, head, top)
                if weight >= _LEAST
            ]
            table.add_row(name, _packed(items, console.width - len(name) - 2))
    console.print(table)


def _packed(items: list[Text], width: int) -> Text:
    """Items in as few lines as they fit into, none of them broken."""
    from rich.text import Text

    lines: list[Text] = []
    for item in items:
        if lines and lines[-1].cell_len + item.cell_len + 2 <= width:
            lines[-1].append("; ").append_text(item)
        else:
            lines.append(item)
    return Text("\n").join(lines)


def _headline(token: WrittenToken) -> Text:
    from rich.text import Text

    from calcgpt.evaluation.explain_page import title_of
    from calcgpt.runtime.figures import percent_text

    line = Text(token.text, style="bold").append(f"  {title_of(token)}", style="not bold")
    if not token.is_right:
        line.append(f", wrong: it is {token.expected}", style="bold red")
    line.append(f"  {percent_text(token.probability)}", style="not bold")
    rivals = "  ".join(f"{text} {percent_text(share)}" for text, share in token.rivals)
    return line.append(f"   rivals: {rivals}" if rivals else "", style="not bold dim")


def _probe(solver: CalcGPT, name: str, options: ExplainOptions) -> int:
    from calcgpt.cli.display import counting
    from calcgpt.evaluation.probes import probe_carries

    with counting("probing") as progress:
        report = {
            "model": name,
            **probe_carries(solver, options.count, options.seed, options.operation, progress),
        }
    if options.json:
        print(json.dumps(report))
    else:
        _show_probes(report)
    return 0


def _show_probes(report: Report) -> None:
    from calcgpt.cli.display import output
    from calcgpt.evaluation.linear_probes import READABLE
    from calcgpt.evaluation.probes import EQUALS, WRITING

    console = output()
    what = "carry" if report["operation"] == "+" else "borrow"
    console.print(
        f"{report['model']}: can the {what} into a column of a {report['operation']} be read off the residual stream?\n"
        f"Linear probes, fitted to {report['training']:,} problems; accuracy on {report['test']:,} others.",
        markup=False,
    )
    names = {WRITING: "at the token that writes the column", EQUALS: "at the ="}
    for position, where in names.items():
        own = [row for row in report["rows"] if row["position"] == position]
        if own:
            console.print(*_probe_tables(report["layers"], own, f"\n{where}"))
    for position, where in names.items():
        console.print(_first(report, position, what, where), soft_wrap=False)
    console.print(f"(readable: {READABLE:.0%} or more, and beyond chance above all controls)", style="dim")


def _probe_tables(layers: list[str], rows: list[Report], title: str) -> Iterator[Table]:
    """One table, or of a deep model several, each with the controls of its own layers."""
    from rich.table import Table

    from calcgpt.evaluation.linear_probes import CONTROLS
    from calcgpt.evaluation.roles import place_name

    for start in range(0, len(layers), _ABREAST):
        shown = range(start, min(start + _ABREAST, len(layers)))
        table = Table("into the", title="" if start else title, title_justify="left")
        for heading in (*(layers[layer] for layer in shown), *CONTROLS):
            table.add_column(heading, justify="right", no_wrap=True)
        for column in sorted({row["column"] for row in rows}):
            own = [row for row in rows if row["column"] == column and row["layer"] in shown]
            shares = [*(row["accuracy"] for row in own), *(max(row[name] for row in own) for name in CONTROLS)]
            table.add_row(place_name(column), *(f"{share:.1%}" for share in shares))
        yield table


def _first(report: Report, position: str, what: str, where: str) -> str:
    """A sentence that says where a carry is first readable."""
    from calcgpt.evaluation.roles import place_name

    found, means = report["first"][position], [row for row in report["means"] if row["position"] == position]
    if not means:
        return f"There is nothing to tell {where}."
    if found is None:
        best = max(means, key=lambda row: row["accuracy"])
        return (
            f"No {what} is readable {where}: {best['accuracy']:.1%} at best on average over the columns "
            f"(after {_after(report, best)}), against {best['shuffled']:.1%} with shuffled labels "
            f"and {best['untrained']:.1%} in an untrained network."
        )
    columns = found["columns"]
    known = "every column" if len(columns) == len(report["columns"]) else _listed([place_name(c) for c in columns])
    return (
        f"The {what} into {known} is first readable after {_after(report, found)}, {where}: {found['accuracy']:.1%}, "
        f"against {found['shuffled']:.1%} with shuffled labels, {found['untrained']:.1%} in an untrained network and "
        f"{found['majority']:.1%} for the more frequent case."
    )


def _after(report: Report, row: Report) -> str:
    layer = report["layers"][row["layer"]]
    return layer if row["layer"] else f"the {layer}"


def _listed(names: list[str]) -> str:
    names = [f"the {name}" for name in names]
    return ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
