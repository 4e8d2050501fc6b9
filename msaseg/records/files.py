"""Files of records: written whole, one line a field, and read with every fault named."""

import json
import os
import zlib
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from msaseg.cli.errors import UserError


def read_fields(path: Path, record: type, schema: int, again: str) -> dict[str, Any]:
    """Read a JSON object that has the fields of a record; those with a default may be absent.

    Args:
        path: of the file.
        record: the dataclass.
        schema: what its key `schema` must hold.
        again: what makes the file anew, for the message.

    Raises:
        UserError: the file is not JSON, or lacks a key or has one of another kind; the message names the file and the
            mend.
    """
    mend = way_back(path, again)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable record ({error}); {mend}") from error
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise UserError(f"{path}: not a record of schema {schema}; {mend}")
    names = {field.name for field in fields(record)}
    optional = {field.name for field in fields(record) if field.default is not MISSING}
    wrong = (names - optional - content.keys()) | (content.keys() - names)
    if wrong:
        raise UserError(f"{path}: fields missing or unknown: {', '.join(sorted(wrong))}; {mend}")
    for name, hint in get_type_hints(record).items():
        kinds = {get_origin(each) or each for each in (get_args(hint) if isinstance(hint, UnionType) else [hint])}
        if name in content and type(content[name]) not in kinds | ({int} if float in kinds else set()):
            raise UserError(f"{path}: {name} is {content[name]!r:.40}; {mend}")
    return content


def check_output(path: Path) -> None:
    """Refuse a file that a command cannot write, before it works for it.

    Args:
        path: that `--out` gave.

    Raises:
        UserError: it lies in no folder, is one, or may not be written.
    """
    if not path.parent.is_dir():
        raise UserError(f"--out {path}: no such folder: make it first")
    if path.is_dir():
        raise UserError(f"--out {path}: a folder: give a file in it")
    part = path.with_name(f".{os.getpid()}.part")
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror}): give another file") from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, and the folders above it, so that a reader sees all of it or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f"{zlib.crc32(os.fsencode(path.name)):08x}"  # the own name may be as long as a name can be
    part = path.with_name(f".{name}.{os.getpid()}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def to_json(content: dict[str, Any]) -> str:
    """Return JSON with one line a field, and one line a series or matrix row: short, and still diffable."""
    lines = [f" {json.dumps(key)}: {_value(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _value(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict) and value and any(isinstance(item, list | dict) for item in value.values()):
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n }"
    return json.dumps(value)


def way_back(path: Path, again: str) -> str:
    """Return what to do about a damaged record, for a message."""
    return f"restore it with `git checkout -- {path}` or delete it and {again}"
