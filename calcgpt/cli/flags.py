"""Flags from dataclasses, by way of tyro, and what it has against them in one line.

Imports tyro, so it is imported only when flags are parsed.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro
from tyro.conf import FlagCreatePairsOff, HelptextFromCommentsOff, arg
from tyro.constructors import PrimitiveConstructorSpec

from calcgpt.cli.streams import uncoloured_output
from calcgpt.errors import ConfigError

_WORDS = {int: ("INT", "a whole number"), float: ("FLOAT", "a number")}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def parse(kind: type[Any], args: Sequence[str], command: str) -> Any:
    """The options that a command line gives, as a `kind`; `--help` is shown, and ends the program.

    Raises:
        ConfigError: what is wrong with the command line, in one line.
    """
    return _parse(kind, args, command)


def parse_known(kind: type[Any], args: Sequence[str], command: str) -> tuple[Any, list[str]]:
    """The options, and the arguments that are none of them. Errors are those of `parse`."""
    return _parse(kind, args, command, return_unknown_args=True)


def _parse(kind: type[Any], args: Sequence[str], command: str, **options: Any) -> Any:
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint), redirect_stdout(uncoloured_output()):
            return tyro.cli(kind, args=args, prog=command, config=(HelptextFromCommentsOff,), **options)
    except SystemExit as end:
        if not end.code:
            raise
    raise ConfigError(f"{one_line(complaint.getvalue())} (see {command} --help)")


def one_line(complaint: str) -> str:
    """The message in tyro's box, which has a title, the message, and at times what was perhaps meant; and more."""
    sections: list[list[str]] = [[]]
    for row in _COLOUR.sub("", complaint).splitlines():
        bare = row.strip("│╭╮╰╯─ ")  # without a UTF-8 terminal the box has dashes, and no sides
        if bare.strip("-"):
            sections[-1].append(bare)
        if row.startswith("╭") or (row.strip() and not bare.strip("-")):
            sections.append([])
    texts = [text for section in sections if (text := " ".join(" ".join(section).split()))]
    message = re.sub(r"^Error parsing (\S+): ", r"\1 ", (texts[1:2] or texts or [""])[0])
    hint = texts[2] if len(texts) > 2 and texts[2].startswith("Perhaps you meant") else ""
    meant = dict.fromkeys(re.findall(r"(?<!\S)--[\w.-]+", hint))
    return message[:1].lower() + message[1:] + (f"; did you mean {' or '.join(meant)}?" if meant else "")


def number(kind: type[int] | type[float], optional: bool = False) -> PrimitiveConstructorSpec[Any]:
    """How a number is read from a flag; an optional one is also `none`."""
    metavar, expected = _WORDS[kind]

    def read(texts: list[str]) -> Any:
        if optional and texts[0].lower() == "none":
            return None
        try:
            return kind(texts[0])
        except ValueError:
            raise ValueError(f"must be {expected}, not {texts[0]!r}") from None

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, (int, float)) or (optional and value is None),
        str_from_instance=lambda value: [str(value)],
    )


Number = Annotated[int, number(int)]
OptionalNumber = Annotated[int | None, number(int, optional=True), arg(help_behavior_hint="")]
Decimal = Annotated[float, number(float)]
OptionalText = Annotated[str | None, arg(help_behavior_hint="")]
Switch = FlagCreatePairsOff[bool]


def settings_class(settings: Any, aliases: Mapping[str, Sequence[str]], every_flag: bool = False) -> type[Any]:
    """A class with the fields and the help of a dataclass, and none of its checks: they come when all is known.

    Args:
        settings: an instance, which gives the defaults. Nested dataclasses become flags with a prefix; where one may
            be None and is, its own defaults are shown.
        aliases: short flags by field.
        every_flag: give every switch a flag to turn it off; otherwise only those have one that are on by default.
    """
    kind = type(settings)
    hints = get_type_hints(kind)
    fields: list[Any] = []
    for entry in dataclasses.fields(kind):
        hint, value = hints[entry.name], getattr(settings, entry.name)
        nested: Any = next((part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part)), None)
        if nested is not None:
            inner = settings_class(nested() if value is None else value, {}, every_flag)
            fields.append((entry.name, inner, dataclasses.field(default_factory=inner)))
        else:
            switch = bool if value or every_flag else Switch
            flag = switch if hint is bool else _flag(hint, value, aliases.get(entry.name, ()))
            fields.append((entry.name, flag, dataclasses.field(default=value)))
    return dataclasses.make_dataclass(kind.__name__, fields, namespace={"__doc__": kind.__doc__})


def _flag(hint: Any, value: Any, aliases: Sequence[str]) -> Any:
    """The type of a flag that takes a value."""
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    optional = type(None) in get_args(hint)
    if kinds[0] in _WORDS and get_origin(hint) is not tuple:
        hint = Annotated[hint, number(kinds[0], optional)]
    metavar = None
    if optional and get_origin(kinds[0]) is Literal:
        metavar = "{" + ",".join(get_args(kinds[0])) + "}"
    elif optional and kinds[0] in (str, bool):
        metavar = "TEXT" if kinds[0] is str else "{True,False}"
    hidden = "" if optional and value is None else None
    return Annotated[hint, arg(aliases=list(aliases), metavar=metavar, help_behavior_hint=hidden)]
