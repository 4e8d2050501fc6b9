"""What comes out of holding each table against the paper's, counted from the records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from msaseg.report.progress import Filled
from msaseg.tables.cells import Cell, Group
from msaseg.tables.spec import Table


@dataclass(frozen=True)
class Finding:
    """One column of a table, or one row of a transposed one, under one protocol.

    Args:
        table: that it is about.
        protocol: name of the protocol.
        what: heading of the column, or label of the row.
        numbers: cells that have a number or text of ours.
        cells: all of them.
        within: of the cells that can be judged, those within the tolerance; of texts, those equal to the paper's.
        judged: cells of ours that the paper prints something for and that have a tolerance; 0 if none.
        lowest: the lowest difference from the paper; None if there is none.
        highest: the highest.
        ordered: of the pairs of rows that the paper tells apart, those that come out in its order.
        pairs: those pairs, where both rows have a number of ours.
    """

    table: Table
    protocol: str
    what: str
    numbers: int
    cells: int
    within: int
    judged: int
    lowest: float | None
    highest: float | None
    ordered: int
    pairs: int


def findings(filled: Sequence[Filled]) -> list[Finding]:
    """Return one finding for each thing that the paper prints numbers of and there are records of."""
    return [
        finding for table, groups in filled for group in groups if group.runs for finding in _findings(table, group)
    ]


def _findings(table: Table, group: Group) -> Iterator[Finding]:
    if table.transposed:
        lines = [(row.label, [group.cells[key, column] for column in table.columns]) for key, row in table.rows.items()]
    else:
        lines = [(text, [group.cells[row, column] for row in table.rows]) for column, text in table.columns.items()]
    if table.texts:
        lines = [("all columns", [cell for _, cells in lines for cell in cells])]
    tolerant = table.texts or bool(table.tolerance)
    for what, cells in lines:
        if any(cell.paper is not None for cell in cells):
            yield _finding(table, group.protocol.name, what, cells, tolerant)


def _finding(table: Table, protocol: str, what: str, cells: Sequence[Cell], tolerant: bool) -> Finding:
    judged = [cell for cell in cells if tolerant and cell.n and cell.paper is not None]
    differences = [cell.difference for cell in cells if cell.difference is not None]
    pairs = [] if table.transposed or table.texts else _pairs(cells)
    return Finding(
        table=table,
        protocol=protocol,
        what=what,
        numbers=sum(cell.n > 0 for cell in cells),
        cells=len(cells),
        within=sum("outside" not in cell.marks for cell in judged),
        judged=len(judged),
        lowest=min(differences, default=None),
        highest=max(differences, default=None),
        ordered=sum(pairs),
        pairs=len(pairs),
    )


def _pairs(cells: Sequence[Cell]) -> list[bool]:
    """Return, for each two rows that the paper tells apart, whether they come out in its order."""
    numbers = [(cell.paper, cell.mean) for cell in cells if isinstance(cell.paper, float) and cell.mean is not None]
    return [
        (first[0] - second[0]) * (first[1] - second[1]) > 0
        for first, second in combinations(numbers, 2)
        if first[0] != second[0]
    ]
