"""From runs to the cells of a table: mean, spread, difference and marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from msaseg.tables.protocols import Protocol
from msaseg.tables.runs import SPEED, Run
from msaseg.tables.spec import RECIPE, Table

MARKS = {
    "missing": ("missing", "no record of such a run"),
    "undefined": ("n/a", "not defined in these runs: no such class, or no such frame"),
    "stale": ("†", "stale: made with another configuration than the one that composes today"),
    "dirty": ("‡", "made from a working tree with uncommitted changes"),
    "weights": ("§", "started from other weights than its configuration names"),
    "diverged": ("◊", "diverged: its training loss ended above that of guessing"),
    "size": ("¶", "scored on images of another size than the speeds beside it are of"),
    "outside": ("✱", "differs from the paper by more than the tolerance"),
    "fewer": ("n of m", "fewer seeds than the sweep asks for"),
}
"""Mark to its sign in a table and its explanation."""

UNSOUND = ("stale", "dirty", "weights", "diverged")
"""Marks of a number that decides no claim."""

PAPERS = "paper"
"""The protocol that is the paper's own, as far as it tells: the only one whose level is held against its numbers."""


@dataclass(frozen=True)
class Cell:
    """One number of a table under one protocol.

    Args:
        mean: over seeds; None if no record has the number, or if it is a text.
        sd: sample standard deviation over seeds; None below two.
        n: how many seeds.
        asked: how many seeds the sweep asks for.
        paper: the number or text that the paper prints.
        marks: keys of MARKS.
        text: what is computed and is no number, such as "3x3"; None for a number.
        range: of a measured speed, that of its calls or turns, and their number.
    """

    mean: float | None
    sd: float | None
    n: int
    asked: int
    paper: float | str | None
    marks: tuple[str, ...]
    text: str | None = None
    range: tuple[float, float, int] | None = None

    @property
    def difference(self) -> float | None:
        """Ours less the paper's; None if either is missing or a text."""
        return None if self.mean is None or not isinstance(self.paper, float) else self.mean - self.paper


@dataclass(frozen=True)
class FilledTable:
    """A table's cells under one protocol.

    Args:
        table: that is filled.
        protocol: of every run in it.
        asked: the seeds that the sweep names.
        runs: that are shown.
        cells: by (row, column).
        speeds: measurements of the rows' nets that are shown.
    """

    table: Table
    protocol: Protocol
    asked: tuple[int, ...]
    runs: tuple[Run, ...]
    cells: dict[tuple[str, str], Cell]
    speeds: tuple[Run, ...] = ()

    def behind(self, row: str) -> list[Run]:
        """Return what the numbers of a row are from: its runs in the order of their seeds, then its measurements."""
        return [run for run in (*self.runs, *self.speeds) if run.row == row]

    @property
    def is_the_papers(self) -> bool:
        """Whether the level of its numbers may be held against the paper's, and not only their order and change."""
        return self.protocol.name == PAPERS


def fill(
    table: Table,
    protocol: Protocol,
    asked: tuple[int, ...],
    current: Mapping[str, str],
    runs: Sequence[Run],
    speeds: Sequence[Run],
) -> FilledTable:
    """Return a table's cells under one protocol.

    A row shows the runs of the configuration that composes today; if it has none, those of the latest other.

    Args:
        table: to fill.
        protocol: of the runs.
        asked: the seeds that the sweep names.
        current: row to the config hash that composes today.
        runs: of any configuration.
        speeds: measurements of the rows' nets.
    """
    shown: list[Run] = []
    cells: dict[tuple[str, str], Cell] = {}
    for row in table.rows:
        chosen = _chosen([run for run in runs if run.row == row], current[row])
        shown += chosen
        for column in table.columns:
            if column.startswith(SPEED):
                measured = [run for run in speeds if run.row == row and column in run.values]
                cells[row, column] = _cell(table, row, column, measured, 1)
            else:
                cells[row, column] = _cell(table, row, column, chosen, len(asked), current[row])
    return FilledTable(table, protocol, asked, tuple(shown), cells, tuple(speeds))


def _chosen(runs: list[Run], current: str) -> list[Run]:
    if not runs:
        return []
    hashes = {run.config_hash for run in runs}
    shown = current if current in hashes else max(runs, key=lambda run: run.finished).config_hash
    return sorted((run for run in runs if run.config_hash == shown), key=lambda run: run.seed)


def _cell(table: Table, row: str, column: str, runs: Sequence[Run], asked: int, current: str | None = None) -> Cell:
    paper = table.printed(row, column)
    mark = "undefined" if runs else "missing"
    runs = [run for run in runs if column in run.values]
    if not runs:
        return Cell(None, None, 0, asked, paper, (mark,))
    numbers = [value for run in runs if isinstance(value := run.values[column], float)]
    texts = {str(run.values[column]) for run in runs} if not numbers else set[str]()
    mean, text = (fmean(numbers), None) if numbers else (None, " or ".join(sorted(texts)))
    holds = {
        "stale": current is not None and runs[0].config_hash != current,
        "dirty": any(run.dirty for run in runs),
        "weights": any(run.other_weights for run in runs),
        "diverged": any(run.diverged for run in runs),
        "size": _other_size(table, column, runs),
        "outside": _outside(mean, paper, table.tolerance.get(column)) if numbers else paper not in (None, text),
        "fewer": len(runs) < asked,
    }
    sd = stdev(numbers) if len(numbers) > 1 else None
    marks = tuple(mark for mark, held in holds.items() if held)
    return Cell(mean, sd, len(runs), asked, paper, marks, text, runs[0].ranges.get(column))


def _other_size(table: Table, column: str, runs: Sequence[Run]) -> bool:
    """Whether a score stands beside speeds that were measured on images of another size."""
    scored = not column.startswith((SPEED, RECIPE))
    return bool(table.speed) and scored and any(run.size != table.speed["size"] for run in runs)


def _outside(mean: float | None, paper: float | str | None, tolerance: float | None) -> bool:
    if mean is None or tolerance is None or not isinstance(paper, float):
        return False
    return abs(mean - paper) > tolerance + 1e-9
