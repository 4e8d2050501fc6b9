"""What one cell of a table says on the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from msaseg.report.provenance import on_hover
from msaseg.tables.cells import MARKS, Cell
from msaseg.tables.layout import show_difference, show_paper
from msaseg.tables.runs import Run


@dataclass(frozen=True)
class Entry:
    """One cell.

    Args:
        kind: "label", "paper", "ours" or "difference".
        text: the number, or what stands in its place.
        spread: its deviation over seeds.
        count: how many seeds.
        marks: (sign, meaning) of what a reader must know of it.
        protocol: that the number was measured under; "" for labels and the paper's.
        state: "missing" for a number that is not there, "outside" for a difference beyond the tolerance, or "".
        hover: where the number comes from.
        link: id of its first run.
        order: what sorts it; None sorts last.
        first: whether the column begins a group of columns.
    """

    kind: str
    text: str
    spread: str = ""
    count: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    protocol: str = ""
    state: str = ""
    hover: str = ""
    link: str = ""
    order: float | str | None = None
    first: bool = False


def label(text: str, position: int) -> Entry:
    """Return the first cell of a line; sorting by it restores the order of the paper."""
    return Entry("label", text, order=float(position))


def printed(value: float | str | None, first: bool) -> Entry:
    """Return what the paper prints."""
    return Entry("paper", show_paper(value), order=value, first=first)


def ours(cell: Cell, protocol: str, column: str, runs: Sequence[Run], link: str, first: bool) -> Entry:
    """Return a measured number with its spread, its seeds and its marks, or why there is none.

    Args:
        cell: to show.
        protocol: name of the protocol.
        column: key of the column.
        runs: of the cell's row.
        link: id of the first of them in the fold.
        first: whether the column begins a group of columns.
    """
    if cell.n == 0:
        sign, meaning = MARKS[cell.marks[0]]
        return Entry("ours", sign, protocol=protocol, state="missing", hover=meaning, first=first)
    text = cell.text if cell.mean is None else f"{cell.mean:.2f}"
    return Entry(
        kind="ours",
        text=text or "",
        spread="" if cell.sd is None else f"± {cell.sd:.2f}",
        count="" if cell.mean is None else cell.count,
        marks=_marks(cell, ("stale", "dirty", "size", *(["outside"] if cell.mean is None else []))),
        protocol=protocol,
        hover=on_hover(protocol, column, [run for run in runs if column in run.values]),
        link=link,
        order=text if cell.mean is None else cell.mean,
        first=first,
    )


def difference(cell: Cell, protocol: str) -> Entry:
    """Return ours less the paper's."""
    marks = _marks(cell, ("outside",))
    if cell.difference is None:
        return Entry("difference", "", protocol=protocol)
    return Entry(
        kind="difference",
        text=show_difference(cell).split()[0].replace("-", "\N{MINUS SIGN}"),
        marks=marks,
        protocol=protocol,
        state="outside" if marks else "",
        order=cell.difference,
    )


def _marks(cell: Cell, shown: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(MARKS[mark] for mark in shown if mark in cell.marks)
