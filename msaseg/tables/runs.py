"""What a table shows of the records on disk."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msaseg.cli.errors import UserError
from msaseg.records.run import RunRecord
from msaseg.tables.spec import Table


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
        size: (height, width) of the images.
        other_weights: whether the encoder started from other weights than the configuration names.
        ranges: of a speed, column key to the range of its calls and their number.
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
    size: list[int]
    other_weights: bool = False
    ranges: dict[str, tuple[float, float, int]] = field(default_factory=dict)

    def number(self, column: str) -> float:
        """Return the number of a column that has one."""
        value = self.values[column]
        assert isinstance(value, float)
        return value


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
    if record.key.path(root) != path:
        raise UserError(f"{path}: the record is of {record.key.path(root)}; move it there or delete it")
    try:
        found = {column: record.value(column) for column in table.columns}
        values = {key: x for key, x in found.items() if isinstance(x, str) or (x is not None and math.isfinite(x))}
        return Run(
            path=path,
            row=row,
            seed=record.seed,
            config_hash=record.config_hash,
            values=values,
            commit=record.code["commit"],
            dirty=bool(record.code["dirty"]),
            hardware=dict(record.hardware),
            seconds=float(record.seconds["total"]),
            finished=str(record.finished),
            size=list(record.cost["input_size"]),
            other_weights=not record.has_weights_asked_for,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a record ({type(error).__name__}: {error}); delete it and repeat the run"
        ) from error
