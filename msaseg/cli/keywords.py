"""A command line of `key=value` words, read into a dataclass.

Hydra's grammar refuses file names with `=`, commas or brackets, which checkpoints and photographs have; so the
commands that take files read their words here.
"""

import inspect
import os
import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion

Options = TypeVar("Options")
HELP = {"-h", "--help", "help"}


class Key(NamedTuple):
    """One key of a command line, as the dataclass's field declares it."""

    name: str
    about: str
    allowed: Any
    default: object  # `MISSING`: it must be given


def parse(words: Sequence[str], kind: type[Options], command: str) -> Options:
    """Read words into a dataclass, each field of which is a key: `size: Annotated[int, "what it is about"] = 8`.

    A field's type says what is allowed: `Path`, `str`, `int` (1 or more), `bool`, a `Literal` of words, or one of
    these `| None`.

    Args:
        words: e.g. `["input=a.png", "size=native"]`.
        kind: the dataclass.
        command: what was typed before the words, for help and messages.

    Raises:
        UserError: a word that is no `key=value`, an unknown, repeated or missing key, or a value not allowed.
        SystemExit: with status 0 after printing the help.
    """
    if HELP & set(words):
        print(usage(kind, command))
        raise SystemExit(0)
    known = {key.name: key for key in _keys(kind)}
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UserError(f"{word}: write key=value: {command} --help lists the keys")
        if name not in known:
            raise UserError(f"there is no key {name}: {suggestion(name, known)}")
        if name in values:
            raise UserError(f"{name} is given twice: keep one")
        values[name] = _value(name, text, known[name].allowed)
    for name, key in known.items():
        if name not in values and key.default is MISSING:
            raise UserError(f"{name}=... is missing ({key.about}): {command} --help lists the keys")
    return kind(**values)


def usage(kind: type, command: str) -> str:
    """Return the help: the dataclass's docstring, and a line for each key."""
    lines = [f"{command} KEY=VALUE ...", "", inspect.cleandoc(kind.__doc__ or ""), ""]
    for key in _keys(kind):
        default = "" if key.default is None else f" [{str(key.default).lower()}]"
        end = " (needed)" if key.default is MISSING else default
        lines.append(f"  {f'{key.name}={_shape(key.allowed)}':<32} {key.about}{end}")
    return "\n".join(lines)


def _keys(kind: Any) -> list[Key]:  # noqa: ANN401 - any dataclass
    hints = typing.get_type_hints(kind, include_extras=True)
    found = []
    for entry in fields(kind):
        allowed, about = typing.get_args(hints[entry.name])
        if typing.get_origin(allowed) in (types.UnionType, typing.Union):
            allowed = next(part for part in typing.get_args(allowed) if part is not type(None))
        found.append(Key(entry.name, about, allowed, entry.default))
    return found


def _shape(allowed: Any) -> str:  # noqa: ANN401 - a type
    if typing.get_origin(allowed) is Literal:
        return "|".join(typing.get_args(allowed))
    return {Path: "PATH", int: "N", bool: "true|false"}.get(allowed, "NAME")


def _value(name: str, text: str, allowed: Any) -> Any:  # noqa: ANN401
    choices = ("true", "false") if allowed is bool else typing.get_args(allowed)
    if choices and text not in choices:
        raise UserError(f"{name}={text}: {suggestion(text, choices)}")
    if not text:
        raise UserError(f"{name}=: give a value")
    if allowed is int and not (text.isdecimal() and int(text) > 0):
        raise UserError(f"{name}={text}: give a whole number of 1 or more")
    if allowed is bool:
        return text == "true"
    return Path(os.path.expanduser(text)) if allowed is Path else int(text) if allowed is int else text
