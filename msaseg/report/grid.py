"""A table of the paper as grids of HTML cells: the paper's numbers, then ours protocol by protocol."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msaseg.report.entries import Entry, difference, label, ours, printed
from msaseg.report.provenance import anchor
from msaseg.tables.cells import Group
from msaseg.tables.layout import differs, printed_columns
from msaseg.tables.spec import Table

WIDTH = 8
"""How many columns of ours stand side by side at most: more fit neither a printed page nor a screen."""


@dataclass(frozen=True)
class Head:
    """Head of a column.

    Args:
        text: what the column holds.
        kind: as of an `Entry`.
        protocol: that the column's numbers were measured under; "" for labels and the paper's.
        first: whether the column begins a group of columns.
    """

    text: str
    kind: str
    protocol: str = ""
    first: bool = False


@dataclass(frozen=True)
class Grid:
    """Part of a table that fits side by side.

    Args:
        heads: of the columns.
        lines: cells, as many in each line as there are heads.
    """

    heads: tuple[Head, ...]
    lines: tuple[tuple[Entry, ...], ...]


def grids(table: Table, groups: Sequence[Group]) -> list[Grid]:
    """Return a table with its protocols side by side, as many as fit; the next ones follow below.

    Each grid repeats the labels and the paper's numbers.
    """
    a_group = sum(1 + deviates for _, _, deviates in _across(table))
    step = max(1, WIDTH // a_group)
    return [_grid(table, groups[start : start + step]) for start in range(0, len(groups), step)]


def _grid(table: Table, groups: Sequence[Group]) -> Grid:
    lines = [(key, row.label) for key, row in table.rows.items()]
    if table.transposed:
        lines = list(table.columns.items())
    return Grid(
        heads=tuple(_heads(table, groups)),
        lines=tuple(
            (label(text, position), *_entries(table, key, groups)) for position, (key, text) in enumerate(lines)
        ),
    )


def _heads(table: Table, groups: Sequence[Group]) -> Iterator[Head]:
    yield Head(table.row_header, "label")
    for number, key in enumerate(_printed(table)):
        yield Head(_printed_head(table, key), "paper", first=number == 0)
    for group in groups:
        for number, (_, text, deviates) in enumerate(_across(table)):
            yield Head(text, "ours", group.protocol.name, first=number == 0)
            if deviates:
                yield Head("difference", "difference", group.protocol.name)


def _entries(table: Table, line: str, groups: Sequence[Group]) -> Iterator[Entry]:
    for number, key in enumerate(_printed(table)):
        yield printed(table.printed(*_cell(table, line, key)), first=number == 0)
    for group in groups:
        protocol = group.protocol.name
        for number, (key, _, deviates) in enumerate(_across(table)):
            row, column = _cell(table, line, key)
            cell = group.cells[row, column]
            yield ours(cell, protocol, column, group.behind(row), anchor(table, protocol, row), first=number == 0)
            if deviates:
                yield difference(cell, protocol)


def _cell(table: Table, line: str, across: str) -> tuple[str, str]:
    """Return row and column of a cell, whichever way the table is shown."""
    return (across, line) if table.transposed else (line, across)


def _across(table: Table) -> list[tuple[str, str, bool]]:
    """Return key, heading and whether it has differences, of what stands side by side under one protocol."""
    if table.transposed:
        return [(key, row.label, bool(row.paper) and not table.texts) for key, row in table.rows.items()]
    return [(key, heading, differs(table, key)) for key, heading in table.columns.items()]


def _printed(table: Table) -> list[str]:
    """Return what the paper prints side by side; rows of rival nets that share its numbers count once."""
    if not table.transposed:
        return printed_columns(table)
    first: dict[tuple[object, ...], str] = {}
    for key, row in table.rows.items():
        if row.paper:
            first.setdefault(tuple(row.paper.get(column) for column in table.columns), key)
    return list(first.values())


def _printed_head(table: Table, key: str) -> str:
    if not table.transposed:
        return table.columns[key]
    return table.rows[key].label if len(_printed(table)) > 1 else "the paper"
