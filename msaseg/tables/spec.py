"""What a table is: its rows, the paper's numbers and their source, read from the experiment files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from msaseg.cli.errors import UserError
from msaseg.config import CONF
from msaseg.tables.claim import Claim, read_claim

RECIPE = "recipe/"
"""What the keys of columns begin with that hold a choice of the training, as text."""

SPEED_KEYS = {"size", "precision", "mode", "form", "reference"}
ROW_KEYS = {"label", "paper", "set"}


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Args:
        label: what the first cell says.
        paper: column key to the number or text that the paper prints; None where it prints nothing.
    """

    label: str
    paper: Mapping[str, float | str | None]


@dataclass(frozen=True)
class Table:
    """One table, declared in `conf/experiment/<id>.yaml`.

    Args:
        id: stem of the experiment file; records and rendered files bear it.
        title: heading of the rendered table.
        source: where the paper's numbers were read.
        row_header: heading of the first column.
        transposed: whether the rows are shown side by side and the columns one below the other.
        texts: whether cells hold texts such as "3×3", equal to the paper's or not, instead of numbers.
        note: what a reader must know to compare the numbers; "" for nothing.
        speed: which measurements of `msaseg.benchmark` fill the columns `speed.DEVICE.NUMBER`: their `size` (height,
            width), `precision`, `mode` and `form`; empty for none.
        columns: key of a record's number to its heading.
        tolerance: column key to the largest difference from the paper that goes unmarked.
        rows: row key to row, in the order shown.
        claims: what the paper claims of the table, by id.
        untestable: name of a protocol that cannot test them to the reason.
        protocols: names of the only protocols that the table is made under; empty for all but those that such a
            table names.
    """

    id: str
    title: str
    source: str
    row_header: str
    columns: Mapping[str, str]
    tolerance: Mapping[str, float]
    rows: Mapping[str, Row]
    transposed: bool = False
    texts: bool = False
    note: str = ""
    speed: Mapping[str, object] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    untestable: Mapping[str, str] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """What its title says before the colon, such as "Table 2"."""
        return self.title.partition(":")[0]

    def printed(self, row: str, column: str) -> float | str | None:
        """Return what the paper prints in a cell."""
        return self.rows[row].paper.get(column)


def load_tables() -> dict[str, Table]:
    """Return every declared table by its id, in the order of the file names.

    Raises:
        UserError: a file declares no table, or a wrong one; the message names the file and the key.
    """
    files = sorted((CONF / "experiment").glob("*.yaml"))
    return {file.stem: read_table(file) for file in files}


def made_under(protocol: str, tables: Iterable[Table]) -> list[Table]:
    """Return those of the tables that are made under a protocol: a protocol that a table names is for such tables."""
    tables = list(tables)
    named = any(protocol in table.protocols for table in tables)
    return [table for table in tables if (protocol in table.protocols if named else not table.protocols)]


def read_table(file: Path) -> Table:
    """Return the table that an experiment file declares.

    Raises:
        UserError: as in `load_tables`.
    """
    where = f"{file.parent.parent.name}/{file.parent.name}/{file.name}"
    try:
        content = OmegaConf.to_container(OmegaConf.load(file))
    except (YAMLError, OmegaConfBaseException, OSError) as error:
        raise UserError(f"{where}: not readable as YAML ({' '.join(str(error).split())})") from error
    table = content.get("table") if isinstance(content, dict) else None
    if not isinstance(table, dict):
        raise UserError(f"{where}: declares no `table`")
    try:
        return _table(table, file.stem)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _table(content: dict[Any, Any], stem: str) -> Table:
    _known(content, {key.name for key in fields(Table)}, "table")
    if content.get("id") != stem:
        raise ValueError(f"table.id is {content.get('id')!r}, must be the file's stem {stem!r}")
    columns = _mapping(content, "columns")
    texts = bool(content.get("texts", False))
    rows = {str(key): _row(str(key), row, columns, texts) for key, row in _mapping(content, "rows").items()}
    tolerance = content.get("tolerance") or {}
    _known(tolerance, set(columns), "table.tolerance")
    claims = {str(key): read_claim(key, value, rows, columns) for key, value in (content.get("claims") or {}).items()}
    speed = content.get("speed") or {}
    _known(speed, SPEED_KEYS, "table.speed")
    return Table(
        id=stem,
        title=_text(content, "title"),
        source=_text(content, "source"),
        row_header=str(content.get("row_header", "Row")),
        columns={str(key): str(heading) for key, heading in columns.items()},
        tolerance={key: _number(value, f"table.tolerance.{key}") or 0.0 for key, value in tolerance.items()},
        rows=rows,
        transposed=bool(content.get("transposed", False)),
        texts=texts,
        note=" ".join(str(content.get("note", "")).split()),
        speed=speed,
        claims=claims,
        protocols=tuple(map(str, content.get("protocols") or ())),
        untestable={str(key): " ".join(str(why).split()) for key, why in (content.get("untestable") or {}).items()},
    )


def _row(key: str, content: object, columns: dict[Any, Any], texts: bool) -> Row:
    name = f"table.rows.{key}"
    if not isinstance(content, dict):
        raise ValueError(f"{name} must be a mapping with `label` and `paper`")
    _known(content, ROW_KEYS, name)
    paper = content.get("paper") or {}
    _known(paper, set(columns), f"{name}.paper")
    printed = {
        column: str(value) if texts or str(column).startswith(RECIPE) else _number(value, f"{name}.paper.{column}")
        for column, value in paper.items()
    }
    return Row(label=str(content.get("label", key)), paper=printed)


def _known(content: dict[Any, Any], known: set[str], name: str) -> None:
    for key in content:
        if key not in known:
            raise ValueError(f"{name}.{key} is unknown: use one of {', '.join(sorted(known))}")


def _mapping(content: dict[Any, Any], key: str) -> dict[Any, Any]:
    value = content.get(key)
    if not isinstance(value, dict) or not value:
        raise ValueError(f"table.{key} is missing or empty")
    return value


def _text(content: dict[Any, Any], key: str) -> str:
    value = content.get(key)
    if not value:
        raise ValueError(f"table.{key} is missing")
    return str(value)


def _number(value: object, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {value!r}, must be a number or null")
    return float(value)
