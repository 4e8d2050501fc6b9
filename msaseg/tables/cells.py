"""From records on disk to the cells of a table: mean, spread, difference and marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from msaseg.errors import UserError
from msaseg.records import RunRecord, record_path
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import Protocol
from msaseg.tables.spec import Table

MARKS = {
    "missing": ("missing", "no record of such a run"),
    "stale": ("†", "stale: made with another configuration than the one that composes today"),
    "dirty": ("‡", "made from a working tree with uncommitted changes"),
    "outside": ("✱", "differs from the paper by more than the tolerance"),
    "fewer": ("n of m", "fewer seeds than the sweep asks for"),
}
"""Mark to its sign in a table and its explanation."""


@dataclass(frozen=True)
class Run:
    """What a table shows of one record.

    Args:
        row: that the run fills.
        seed: of the run.
        config_hash: of the configuration that it was made with.
        values: column key to number; columns that the record has no finite number for are absent.
        commit: of the code; None outside a checkout.
        dirty: whether the code differed from that commit.
        hardware: of the machine.
        seconds: that it took.
        finished: UTC time, ISO 8601.
    """

    row: str
    seed: int
    config_hash: str
    values: dict[str, float]
    commit: str | None
    dirty: bool
    hardware: dict[str, Any]
    seconds: float
    finished: str


@dataclass(frozen=True)
class Cell:
    """One number of a table under one protocol.

    Args:
        mean: over seeds; None if no record has the number.
        sd: sample standard deviation over seeds; None below two.
        n: how many seeds.
        asked: how many seeds the sweep asks for.
        paper: the number that the paper prints.
        marks: keys of MARKS.
    """

    mean: float | None
    sd: float | None
    n: int
    asked: int
    paper: float | None
    marks: tuple[str, ...]

    @property
    def difference(self) -> float | None:
        """Ours less the paper's."""
        return None if self.mean is None or self.paper is None else self.mean - self.paper


@dataclass(frozen=True)
class Group:
    """A table's cells under one protocol.

    Args:
        protocol: of every run in it.
        asked: the seeds that the sweep names.
        runs: that are shown.
        cells: by (row, column).
    """

    protocol: Protocol
    asked: tuple[int, ...]
    runs: tuple[Run, ...]
    cells: dict[tuple[str, str], Cell]


def read_runs(root: Path, table: Table, protocol: str, complaints: list[str]) -> list[Run]:
    """Return the runs of a table's rows under a protocol.

    Args:
        root: folder of the records.
        table: whose rows and columns are read; records of rows that it does not have are passed over.
        protocol: name of the protocol.
        complaints: takes one line for each record that cannot be read.
    """
    runs = []
    for row in table.rows:
        for path in sorted((root / table.id / protocol / row).glob("*.json")):
            try:
                runs.append(_run(path, root, table))
            except (UserError, OSError) as error:
                complaints.append(str(error))
    return runs


def _run(path: Path, root: Path, table: Table) -> Run:
    record = RunRecord.load(path)
    key = (record.table, record.protocol, record.row, record.seed, record.config_hash)
    if record_path(root, *key) != path:
        raise UserError(f"{path}: the record is of {'/'.join(map(str, key))}; move it there or delete it")
    try:
        values = {column: record.value(column) for column in table.columns}
        return Run(
            row=record.row,
            seed=record.seed,
            config_hash=record.config_hash,
            values={name: x for name, x in values.items() if x is not None and math.isfinite(x)},
            commit=record.code["commit"],
            dirty=bool(record.code["dirty"]),
            hardware=dict(record.hardware),
            seconds=float(record.seconds["total"]),
            finished=str(record.finished),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a record ({type(error).__name__}: {error}); delete it and repeat the run"
        ) from error


def group(table: Table, protocol: str, plan: Plan, runs: list[Run]) -> Group:
    """Return a table's cells under one protocol.

    A row shows the runs of the configuration that composes today; if it has none, those of the latest other.
    """
    points = plan.points(table, protocol)
    asked = tuple(dict.fromkeys(point.seed for point in points))
    current = {point.row: point.config_hash for point in points}
    shown: list[Run] = []
    cells: dict[tuple[str, str], Cell] = {}
    for row in table.rows:
        chosen = _chosen([run for run in runs if run.row == row], current[row])
        shown += chosen
        for column in table.columns:
            cells[row, column] = _cell(table, row, column, chosen, current[row], len(asked))
    return Group(plan.protocol(protocol), asked, tuple(shown), cells)


def _chosen(runs: list[Run], current: str) -> list[Run]:
    if not runs:
        return []
    hashes = {run.config_hash for run in runs}
    shown = current if current in hashes else max(runs, key=lambda run: run.finished).config_hash
    return sorted((run for run in runs if run.config_hash == shown), key=lambda run: run.seed)


def _cell(table: Table, row: str, column: str, runs: Sequence[Run], current: str, asked: int) -> Cell:
    runs = [run for run in runs if column in run.values]
    paper = table.printed(row, column)
    if not runs:
        return Cell(None, None, 0, asked, paper, ("missing",))
    values = [run.values[column] for run in runs]
    mean = fmean(values)
    holds = {
        "stale": runs[0].config_hash != current,
        "dirty": any(run.dirty for run in runs),
        "outside": paper is not None
        and column in table.tolerance
        and abs(mean - paper) > table.tolerance[column] + 1e-9,
        "fewer": len(runs) < asked,
    }
    sd = stdev(values) if len(values) > 1 else None
    return Cell(mean, sd, len(values), asked, paper, tuple(mark for mark, held in holds.items() if held))
