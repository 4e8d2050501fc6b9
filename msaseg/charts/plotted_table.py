"""One table under one protocol, as the series and the words of its plots."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msaseg.charts.chart import OURS, PAPER, Chart, Series
from msaseg.tables.cells import MARKS, UNSOUND, Cell, FilledTable
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table

Key = tuple[str, str]
"""(row, column) of a cell."""


@dataclass(frozen=True)
class PlottedTable:
    """A table under one protocol, to be plotted.

    Args:
        filled: with at least one run.
    """

    filled: FilledTable

    @property
    def table(self) -> Table:
        """Whose rows are plotted."""
        return self.filled.table

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return self.filled.protocol.name

    @property
    def id(self) -> str:
        """Id of the table's plot, or the beginning of it where there are several."""
        return f"{self.table.id}-{self.protocol}"

    @property
    def title(self) -> str:
        """The table's title and the protocol."""
        return f"{self.table.title}, protocol {self.protocol}"

    def runs(self, row: str) -> list[Run]:
        """Return the runs of a row, in the order of their seeds."""
        return [run for run in self.filled.runs if run.row == row]

    def records(self) -> tuple[Path, ...]:
        """Return the files of the records of all rows."""
        return tuple(run.path for run in self.filled.runs)

    def chart(self, kind: str, x_title: str, y_title: str, series: Sequence[Series], note: str) -> Chart:
        """Return a plot of all rows, under the table's title."""
        return Chart(self.id, self.title, kind, x_title, y_title, series, note, self.records(), self.table.id)

    def ours(
        self, label: str, x: Sequence[str] | Sequence[float], keys: Sequence[Key], names: Sequence[str] = ()
    ) -> Series:
        """Return the measured numbers of these cells; a cell without a number is a gap."""
        cells = [self.filled.cells[key] for key in keys]
        hover = [self.origins(row) for row, _ in keys]
        return Series(label, x, [cell.mean for cell in cells], [cell.sd for cell in cells], OURS, hover, names)

    def printed(self, label: str, x: Sequence[str], keys: Sequence[Key]) -> list[Series]:
        """Return the paper's numbers of these cells: one series, or none if it prints no number there."""
        values = [number(self.table.printed(row, column)) for row, column in keys]
        return [Series(label, x, values, role=PAPER)] if any(value is not None for value in values) else []

    def origins(self, row: str) -> str:
        """Return how each run of a row was come by, separated by "; "."""
        return "; ".join(origin(run) for run in self.runs(row))

    def names(self, rows: Iterable[str]) -> list[str]:
        """Return the rows' labels, short enough to stand beside a point."""
        return [self.table.rows[row].label.removesuffix(" (not in the paper)") for row in rows]

    def note(self, keys: Sequence[Key], *sentences: str) -> str:
        """Return the words below a plot of these cells: seeds, marks, these sentences, the table's own note."""
        cells = [self.filled.cells[key] for key in keys]
        words = [seeds(cells), *self.marked(keys), *sentences, self.table.note]
        return " ".join(word for word in words if word)

    def marked(self, keys: Sequence[Key]) -> list[str]:
        """Return a sentence for each mark that a reader of these cells' plot must know."""
        lines = []
        for mark in UNSOUND:
            rows = dict.fromkeys(row for row, column in keys if mark in self.filled.cells[row, column].marks)
            if rows:
                lines.append(f"{', '.join(self.table.rows[row].label for row in rows)}: {MARKS[mark][1]}.")
        return lines


def origin(run: Run) -> str:
    """Return a line on how a number was come by."""
    commit = run.commit[:10] if run.commit else "unknown"
    return f"seed {run.seed}, commit {commit}, {run.seconds / 60:.1f} min on {run.hardware.get('device', '?')}"


def seeds(cells: Sequence[Cell]) -> str:
    """Return how many seeds stand behind these cells, and what the bars are."""
    counts = sorted({cell.n for cell in cells if cell.n})
    if not counts:
        return ""
    asked = max(cell.asked for cell in cells)
    most = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    missing = f" of the {asked} asked for" if counts[0] < asked else ""
    if counts[-1] == 1:
        return f"One seed{missing}."
    return f"Mean over {most} seeds{missing}; spread: sample standard deviation."


def number(printed: float | str | None) -> float | None:
    """Return what the paper prints if it is a number."""
    return None if isinstance(printed, str) else printed
