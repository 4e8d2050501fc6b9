"""From records on disk to the cells of a table: mean, spread, difference and marks."""

import math
from collections.abc import Mapping, Sequence
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
    "undefined": ("n/a", "not defined in these runs: no such class, or no such frame"),
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
        path: of the record.
        row: that the run fills.
        seed: of the run.
        config_hash: of the configuration that it was made with.
        values: column key to number or text; columns that the record has no finite number for are absent.
        commit: of the code; None outside a checkout.
        dirty: whether the code differed from that commit.
        hardware: of the machine.
        seconds: that it took.
        finished: UTC time, ISO 8601.
    """

    path: Path
    row: str
    seed: int
    config_hash: str
    values: dict[str, float | str]
    commit: str | None
    dirty: bool
    hardware: dict[str, Any]
    seconds: float
    finished: str


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
    """

    mean: float | None
    sd: float | None
    n: int
    asked: int
    paper: float | str | None
    marks: tuple[str, ...]
    text: str | None = None

    @property
    def difference(self) -> float | None:
        """Ours less the paper's; None if either is missing or a text."""
        return None if self.mean is None or not isinstance(self.paper, float) else self.mean - self.paper


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


def read_runs(root: Path, table: Table, protocol: str, current: Mapping[str, str], complaints: list[str]) -> list[Run]:
    """Return the runs of a table's rows under a protocol.

    A row's runs are the records filed under it, and those of its configuration that another table asked for
    first: a run that two tables need is made once.

    Args:
        root: folder of the records.
        table: whose rows and columns are read; records of rows that it does not have are passed over.
        protocol: name of the protocol.
        current: row to the config hash that composes today.
        complaints: takes one line for each record that cannot be read.
    """
    runs = []
    for row in table.rows:
        own = sorted((root / table.id / protocol / row).glob("*.json"))
        elsewhere = sorted(root.glob(f"*/{protocol}/*/seed*-{current[row]}.json"))
        seeds = {path.name for path in own}
        for path in [*own, *(path for path in elsewhere if path.name not in seeds)]:
            try:
                runs.append(_run(path, root, table, row))
            except (UserError, OSError) as error:
                complaints.append(str(error))
    return runs


def _run(path: Path, root: Path, table: Table, row: str) -> Run:
    record = RunRecord.load(path)
    key = (record.table, record.protocol, record.row, record.seed, record.config_hash)
    if record_path(root, *key) != path:
        raise UserError(f"{path}: the record is of {'/'.join(map(str, key))}; move it there or delete it")
    try:
        found = {column: record.value(column) for column in table.columns}
        values = {key: x for key, x in found.items() if isinstance(x, str) or (x is not None and math.isfinite(x))}
        return Run(
            path=path,
            row=row,
            seed=record.seed,
            config_hash=record.config_hash,
            values={
                name: x for name, x in values.items() if isinstance(x, str) or (x is not None and math.isfinite(x))
            },
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


def group(table: Table, protocol: str, plan: Plan, complaints: list[str]) -> Group:
    """Return a table's cells under one protocol.

    A row shows the runs of the configuration that composes today; if it has none, those of the latest other.

    Args:
        table: to fill.
        protocol: name of the protocol.
        plan: of the table's runs.
        complaints: takes one line for each record that cannot be read.
    """
    points = plan.points(table, protocol)
    asked = tuple(dict.fromkeys(point.seed for point in points))
    current = {point.row: point.config_hash for point in points}
    runs = read_runs(plan.records(protocol), table, protocol, current, complaints)
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
    paper = table.printed(row, column)
    mark = "undefined" if runs else "missing"
    runs = [run for run in runs if column in run.values]
    if not runs:
        return Cell(None, None, 0, asked, paper, (mark,))
    numbers = [value for run in runs if isinstance(value := run.values[column], float)]
    texts = {str(run.values[column]) for run in runs} if not numbers else set[str]()
    mean, text = (fmean(numbers), None) if numbers else (None, " or ".join(sorted(texts)))
    holds = {
        "stale": runs[0].config_hash != current,
        "dirty": any(run.dirty for run in runs),
        "outside": _outside(mean, paper, table.tolerance.get(column)) if numbers else paper not in (None, text),
        "fewer": len(runs) < asked,
    }
    sd = stdev(numbers) if len(numbers) > 1 else None
    return Cell(mean, sd, len(runs), asked, paper, tuple(mark for mark, held in holds.items() if held), text)


def _outside(mean: float | None, paper: float | str | None, tolerance: float | None) -> bool:
    if mean is None or tolerance is None or not isinstance(paper, float):
        return False
    return abs(mean - paper) > tolerance + 1e-9
