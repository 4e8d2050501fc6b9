"""A table as heads and entries: what each cell says and of which kind it is; every form only prints them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate

from msaseg.tables.cells import MARKS, UNSOUND, Cell, FilledTable
from msaseg.tables.runs import SPEED
from msaseg.tables.spec import RECIPE, Table


class Kind(StrEnum):
    """What a column holds."""

    LABEL = "label"
    PRINTED = "printed"
    """What the paper prints."""
    OURS = "ours"
    DIFFERENCE = "difference"
    """Ours less the paper's."""


@dataclass(frozen=True)
class Head:
    """Head of a column.

    Args:
        kind: of the column.
        text: what it holds.
        protocol: that its numbers were measured under; "" for labels and the paper's.
    """

    kind: Kind
    text: str
    protocol: str = ""


@dataclass(frozen=True)
class Entry:
    """What one cell says.

    Args:
        kind: of its column.
        text: the number, or what stands in its place.
        spread: its deviation over seeds, or the range of a measured speed's calls.
        marks: keys of MARKS that a reader must know of it.
        order: what sorts it; None sorts last.
        row: key of the table's row that a number of ours fills.
        column: key of its column.
        protocol: that the number was measured under; "" for labels and the paper's.
    """

    kind: Kind
    text: str
    spread: str = ""
    marks: tuple[str, ...] = ()
    order: float | str | None = None
    row: str = ""
    column: str = ""
    protocol: str = ""

    @property
    def missing(self) -> bool:
        """Whether it says why there is no number."""
        return self.kind is Kind.OURS and self.order is None

    @property
    def signs(self) -> list[str]:
        """The signs of its marks."""
        return [MARKS[mark][0] for mark in self.marks]

    def __str__(self) -> str:
        """Return all that it says in one line."""
        return " ".join(filter(None, (self.text, self.spread, *self.signs)))


@dataclass(frozen=True)
class Grid:
    """A table, ready to be printed.

    Args:
        heads: of the columns.
        lines: entries, as many in each line as there are heads.
        begins: positions of the columns that begin a protocol's.
    """

    heads: tuple[Head, ...]
    lines: tuple[tuple[Entry, ...], ...]
    begins: tuple[int, ...]


def layout(table: Table, filled: Sequence[FilledTable]) -> Grid:
    """Return a table under one protocol after the other, or what the paper prints alone.

    A line is a row with its columns; in a transposed table it is a column with its rows. The paper's numbers stand
    once, each before ours of the first protocol; a difference stands under the paper's own protocol alone.
    """
    lines = list(table.columns.items()) if table.transposed else [(key, row.label) for key, row in table.rows.items()]
    blocks = [list(_columns(table, one, one is filled[0])) for one in filled] or [list(_columns(table, None, True))]
    columns = [column for block in blocks for column in block]
    return Grid(
        heads=(Head(Kind.LABEL, table.row_header), *(_head(table, *column) for column in columns)),
        lines=tuple(
            (Entry(Kind.LABEL, text, order=float(place)), *(_entry(table, key, *column) for column in columns))
            for place, (key, text) in enumerate(lines)
        ),
        begins=tuple(accumulate((len(block) for block in blocks[:-1]), initial=1)),
    )


_Column = tuple[Kind, str, FilledTable | None]
"""What a column holds, the key of what stands above it, and where its numbers are."""


def _columns(table: Table, filled: FilledTable | None, with_printed: bool) -> Iterator[_Column]:
    printed = _printed(table) if with_printed else []
    shared = table.transposed and len(printed) == 1  # the rows are rival nets for the same numbers of the paper
    if shared:
        yield Kind.PRINTED, printed[0], None
    for key in table.rows if table.transposed else table.columns:
        if key in printed and not shared:
            yield Kind.PRINTED, key, None
        if filled is not None:
            yield Kind.OURS, key, filled
            if filled.is_the_papers and differs(table, key):
                yield Kind.DIFFERENCE, key, filled


def _head(table: Table, kind: Kind, key: str, filled: FilledTable | None) -> Head:
    text = table.rows[key].label if table.transposed else table.columns[key]
    if filled is None:
        return Head(kind, "" if table.transposed and len(_printed(table)) == 1 else text)
    return Head(kind, text if kind is Kind.OURS else "difference", filled.protocol.name)


def _entry(table: Table, line: str, kind: Kind, across: str, filled: FilledTable | None) -> Entry:
    row, column = (across, line) if table.transposed else (line, across)
    if filled is None:
        return Entry(kind, show_paper(table.printed(row, column)), order=table.printed(row, column))
    cell = filled.cells[row, column]
    entry = ours(cell, filled) if kind is Kind.OURS else difference(cell)
    return replace(entry, row=row, column=column, protocol=filled.protocol.name)


def ours(cell: Cell, filled: FilledTable) -> Entry:
    """Return a measured number of a table with its spread and its marks, or why there is none."""
    if cell.n == 0:
        return Entry(Kind.OURS, MARKS[cell.marks[0]][0])
    if cell.mean is None:
        marks = [mark for mark in ("outside", *UNSOUND) if mark in marks_shown(cell, filled)]
        return Entry(Kind.OURS, cell.text or "", marks=tuple(marks), order=cell.text)
    spread = "({:.2f} to {:.2f}, n={})".format(*cell.range) if cell.range else ""
    return Entry(
        kind=Kind.OURS,
        text=f"{cell.mean:.2f}",
        spread=f"± {cell.sd:.2f}" if cell.sd else spread,  # what does not depend on the seed has no spread
        marks=tuple(mark for mark in (*UNSOUND, "size") if mark in cell.marks),
        order=cell.mean,
    )


def difference(cell: Cell) -> Entry:
    """Return ours less the paper's, marked if it is beyond the tolerance."""
    if cell.difference is None:
        return Entry(Kind.DIFFERENCE, "")
    marks = ("outside",) if "outside" in cell.marks else ()
    return Entry(Kind.DIFFERENCE, f"{cell.difference:+.2f}", marks=marks, order=cell.difference)


def marks_shown(cell: Cell, filled: FilledTable) -> list[str]:
    """Return a cell's marks; `outside` speaks of the paper's level, and so only under the paper's protocol."""
    return [mark for mark in cell.marks if mark != "outside" or filled.is_the_papers]


def legend(filled: FilledTable) -> list[str]:
    """Return how many seeds the numbers are means of, and a line for each mark that a table uses."""
    used = {mark for cell in filled.cells.values() for mark in marks_shown(cell, filled)} - {"fewer"}
    marks = [f"{sign}: {meaning}." for mark, (sign, meaning) in MARKS.items() if mark in used]
    return [*([] if filled.table.texts else _seeds(filled)), *marks]


def _seeds(filled: FilledTable) -> Iterator[str]:
    rows: dict[tuple[int, int], list[str]] = {}
    for row, content in filled.table.rows.items():
        cells = [cell for (of, key), cell in filled.cells.items() if of == row and not key.startswith(SPEED)]
        count = max(((cell.n, cell.asked) for cell in cells), default=(0, 0))
        if count[0]:
            rows.setdefault(count, []).append(content.label)
    for (n, asked), labels in sorted(rows.items(), reverse=True):
        which = "" if len(rows) == 1 else f": {'; '.join(labels)}"
        yield f"n = {n}{f' of {asked}' if n < asked else ''} seed{'s' if max(n, asked) > 1 else ''}{which}."


def show_paper(printed: float | str | None) -> str:
    """Return what the paper prints, as it prints it."""
    if printed is None:
        return ""
    return printed if isinstance(printed, str) else f"{printed:g}"


def differs(table: Table, key: str) -> bool:
    """Return whether a column, or the row of a transposed table, has differences to the paper: it prints numbers."""
    if table.texts or key.startswith(RECIPE):
        return False
    return bool(table.rows[key].paper) if table.transposed else key in _printed(table)


def _printed(table: Table) -> list[str]:
    """Return what the paper prints side by side; rows of rival nets that share its numbers count once."""
    if not table.transposed:
        return [key for key in table.columns if any(table.printed(row, key) is not None for row in table.rows)]
    first: dict[tuple[object, ...], str] = {}
    for key, row in table.rows.items():
        if row.paper:
            first.setdefault(tuple(row.paper.get(column) for column in table.columns), key)
    return list(first.values())
