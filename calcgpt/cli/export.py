"""`calcgpt export`: writes a model in another form."""

from __future__ import annotations

import re
from pathlib import Path

from calcgpt.cli.streams import write_json, write_line

_NO_WORD = re.compile(r"\W+")
_TOLD = "its positions tell the model where each digit belongs: the challenge may or may not admit that"


def run(args: list[str]) -> int:
    """Runs `calcgpt export` with these arguments and returns the exit code. Raises CalcGPTError, OSError."""
    from calcgpt.cli.export_options import ExportOptions
    from calcgpt.cli.flags import parse

    options: ExportOptions = parse(ExportOptions, args, "calcgpt export")
    from calcgpt.inference.solver import CalcGPT
    from calcgpt.interop.adderboard import export_adderboard, model_name

    solver = CalcGPT(options.model, device="cpu")
    path = _target(options.output, model_name(solver))
    metadata = export_adderboard(solver, path, options.author, options.overwrite)
    size = path.stat().st_size
    if options.json:
        write_json({"path": str(path), "bytes": size, **metadata})
        return 0
    write_line(f"file         {path}, {size:,} bytes")
    write_line(f"model        {metadata['name']}, {metadata['params']:,} parameters: {metadata['architecture']}")
    if solver.model.config.positions.needs_shape:
        write_line(f"note         {_TOLD}")
    return 0


def _target(output: Path | None, name: str) -> Path:
    """Where to write; the file's name is one that Python can import."""
    own = f"adderboard_{_NO_WORD.sub('_', name)}.py"
    if output is None:
        return Path(own)
    return output / own if output.is_dir() else output
