"""`calcgpt explain`: looks inside a model, at one answer or for the carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calcgpt.cli.streams import note, output, write_json
from calcgpt.runtime.figures import percent_text
from calcgpt.runtime.table import Cell, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from calcgpt.cli.explain_options import ExplainOptions
    from calcgpt.evaluation.explain import Explanation
    from calcgpt.inference.solver import CalcGPT

Report = dict[str, Any]
_LEAST = 0.005  # of a head's attention, below which a token is not named
_ABREAST = 3  # layers in a table of probes: with the controls they fit into 80 columns
_LOOK = 9  # characters of what a head looks at: its number, the token and its share
_WIDE = 120  # characters, beyond which a table of heads is hard to read
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
        note(f"model: {name}{', which comes with CalcGPT' if ships(solver.path) else ''}")
    return solver, name


def _explain(solver: CalcGPT, name: str, options: ExplainOptions) -> int:
    from calcgpt.evaluation.explain import explain

    explanation = explain(solver, options.problem, options.top)
    if options.html is not None:  # before what is shown: whoever reads that may go away
        from calcgpt.evaluation.explain_page import page
        from calcgpt.runtime.files import write_atomic

        write_atomic(options.html, page(explanation, name, options.all))
    if options.json:
        write_json({"model": name, **explanation.to_dict()})
    else:
        _show(output(), explanation, options)
    if options.html is not None:
        note(f"page: {options.html}")
    return 0


def _show(console: Console, explanation: Explanation, options: ExplainOptions) -> None:
    """The answer and its tokens first, then what the heads look at, a column for each token."""
    from calcgpt.arithmetic.parsing import shorten
    from calcgpt.cli.tables import show_line, show_table
    from calcgpt.evaluation.explain_page import shown_tokens

    answer = "?" if explanation.answer is None else explanation.answer
    verdict = "right" if explanation.is_correct else f"wrong, it is {shorten(explanation.solution)}"
    line = f"{explanation.problem} = {answer}   {verdict}, confidence {percent_text(explanation.confidence)}"
    show_line(console, line, "good" if explanation.is_correct else "bad")
    if explanation.answer is None:
        show_line(console, "what the model wrote is no number, so all of it is shown")
    own = shown_tokens(explanation, options.all)
    show_line(console, f"reads  {_joined([token.text for token in explanation.prompt])}")
    writes = _joined([token.text for token in explanation.written])
    show_line(console, f"writes {writes}")
    marks = " ".join((" " if token.is_right else "^") * len(token.text) for token in explanation.written)
    if marks.strip() and len(writes) == len(marks):
        show_line(console, f"{' ' * 7}{marks.rstrip()} wrong", "bad")
    if len(own) < len(explanation.written):
        told = f"{len(own)} of {len(explanation.written)} written tokens make the answer; --all shows the others too"
        show_line(console, told, "muted")
    console.print()
    show_table(console, _written_table(explanation, own))
    for table in _attention_tables(explanation, own, options.top, console.width):
        console.print()
        show_table(console, table)


def _joined(texts: list[str]) -> str:
    text = " ".join(texts)
    return text if len(text) <= _FEW else f"{text[:_FEW].rsplit(' ', 1)[0]} … ({len(texts):,} tokens)"


def _written_table(explanation: Explanation, own: Sequence[int]) -> Table:
    """The tokens of the answer, each with its probability and its rivals, and where it is wrong what is right."""
    from calcgpt.evaluation.explain_page import title_of

    wrong = any(not explanation.written[index].is_right for index in own)
    columns = [Column("token"), Column("meaning", wraps=True), *([Column("")] if wrong else [])]
    table = Table("", [*columns, Column("probability", numeric=True), Column("rivals", wraps=True)])
    for index in own:
        token = explanation.written[index]
        verdict = Cell(token.is_right, "" if token.is_right else f"wrong: it is {token.expected}", "bad")
        rivals = "  ".join(f"{text} {percent_text(share)}" for text, share in token.rivals)
        table.add(
            Cell(token.text, tone="" if token.is_right else "bad"),
            title_of(token),
            *([verdict] if wrong else []),
            Cell(token.probability, percent_text(token.probability)),
            Cell(rivals, tone="muted"),
        )
    return table


def _attention_tables(explanation: Explanation, own: Sequence[int], top: int, width: int) -> Iterator[Table]:
    """What each head looks at while each token is chosen, by the numbers of tokens, and then what these are."""
    layers, heads = explanation.attention.shape[:2]
    named: set[int] = set()
    widest = max(len(_seen(explanation, len(explanation.tokens) - 1, 1.0)), _LOOK)
    abreast = max(1, (min(width, _WIDE) - len("layer 10 head 10")) // (widest + 2))
    for start in range(0, len(own), abreast):
        part = own[start : start + abreast]
        titles = [Column(f"{explanation.written[index].text} {_short(explanation, index)}") for index in part]
        title = "" if start else "what each head looks at (number, token, share of attention)"
        table = Table(title, [Column("head"), *titles])
        for layer in range(layers):
            for head in range(heads):
                looks = []
                for index in part:
                    seen = explanation.attended(index, layer, head, top)
                    looks.append([(at, weight) for at, weight in seen if weight >= _LEAST])
                named |= {at for look in looks for at, _ in look}
                for rank in range(max(1, *map(len, looks))):
                    name = f"layer {layer + 1} head {head + 1}" if not rank else ""
                    texts = (_seen(explanation, *look[rank]) if rank < len(look) else "" for look in looks)
                    table.add(name, *texts)
        yield table
    legend = Table("", [Column("number", numeric=True), Column("token"), Column("what it is", wraps=True)])
    for at in sorted(named):
        legend.add(at + 1, explanation.tokens[at].text, explanation.tokens[at].meaning)
    yield legend


def _seen(explanation: Explanation, at: int, weight: float) -> str:
    return f"#{at + 1} {explanation.tokens[at].text} {percent_text(weight, 0)}"


def _short(explanation: Explanation, index: int) -> str:
    """The digit positions of a written token, else its number."""
    from calcgpt.evaluation.explain_page import title_of

    token = explanation.written[index]
    return title_of(token) if token.places else f"#{len(explanation.prompt) + index + 1}"


def _probe(solver: CalcGPT, name: str, options: ExplainOptions) -> int:
    from calcgpt.cli.display import counting
    from calcgpt.evaluation.probes import probe_carries

    with counting("probing") as progress:
        report = {
            "model": name,
            **probe_carries(solver, options.count, options.seed, options.operation, progress),
        }
    if options.json:
        write_json(report)
    else:
        _show_probes(report)
    return 0


def _show_probes(report: Report) -> None:
    from calcgpt.cli.tables import show_line, show_table
    from calcgpt.evaluation.linear_probes import READABLE
    from calcgpt.evaluation.probes import EQUALS, WRITING

    console = output()
    what = "carry" if report["operation"] == "+" else "borrow"
    asked = f"can the {what} into a column of a {report['operation']} be read off the residual stream?"
    show_line(console, f"{report['model']}: {asked}")
    show_line(
        console, f"Linear probes, fitted to {report['training']:,} problems; accuracy on {report['test']:,} others."
    )
    names = {WRITING: "at the token that writes the column", EQUALS: "at the ="}
    for position, where in names.items():
        own = [row for row in report["rows"] if row["position"] == position]
        if own:
            console.print()
            for table in _probe_tables(report["layers"], own, where):
                show_table(console, table)
    for position, where in names.items():
        show_line(console, _first(report, position, what, where))
    show_line(console, f"(readable: {READABLE:.0%} or more, and beyond chance above all controls)", "muted")


def _probe_tables(layers: list[str], rows: list[Report], title: str) -> Iterator[Table]:
    """One table, or of a deep model several, each with the controls of its own layers."""
    from calcgpt.evaluation.linear_probes import CONTROLS
    from calcgpt.evaluation.roles import place_name

    for start in range(0, len(layers), _ABREAST):
        shown = range(start, min(start + _ABREAST, len(layers)))
        headings = [*(layers[layer] for layer in shown), *CONTROLS]
        table = Table("" if start else title, [Column("into the"), *(Column(name, numeric=True) for name in headings)])
        for column in sorted({row["column"] for row in rows}):
            own = [row for row in rows if row["column"] == column and row["layer"] in shown]
            shares = [*(row["accuracy"] for row in own), *(max(row[name] for row in own) for name in CONTROLS)]
            table.add(place_name(column), *(Cell(share, percent_text(share, 1)) for share in shares))
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
            f"No {what} is readable {where}: {percent_text(best['accuracy'], 1)} at best on average over the columns "
            f"(after {_after(report, best)}), against {percent_text(best['shuffled'], 1)} with shuffled labels "
            f"and {percent_text(best['untrained'], 1)} in an untrained network."
        )
    columns = found["columns"]
    known = "every column" if len(columns) == len(report["columns"]) else _listed([place_name(c) for c in columns])
    own, shuffled, untrained, majority = (
        percent_text(found[name], 1) for name in ("accuracy", "shuffled", "untrained", "majority")
    )
    return (
        f"The {what} into {known} is first readable after {_after(report, found)}, {where}: {own}, against {shuffled} "
        f"with shuffled labels, {untrained} in an untrained network and {majority} for the more frequent case."
    )


def _after(report: Report, row: Report) -> str:
    layer = report["layers"][row["layer"]]
    return layer if row["layer"] else f"the {layer}"


def _listed(names: list[str]) -> str:
    names = [f"the {name}" for name in names]
    return ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
