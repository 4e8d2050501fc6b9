"""What a table shows of one record."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from msaseg.cli.errors import UserError
from msaseg.records import frame_matrices
from msaseg.records.run import RunRecord
from msaseg.records.speed import SpeedRecord, extent
from msaseg.statistics import Frames
from msaseg.tables.spec import Table

SPEED = "speed."
"""What the keys of columns begin with that hold measured speeds: `speed.cpu.fps`."""


@dataclass(frozen=True)
class Run:
    """What a table shows of one record.

    Args:
        path: of the record.
        record: of a trained net, or of its measured speed.
        row: that the record fills.
        seed: of the run; 0 for a measured speed.
        values: column key to number or text; columns that the record has no finite number for are absent.
        commit: of the code; None outside a checkout.
        dirty: whether the code differed from that commit.
        hardware: of the machine.
        seconds: that it took.
        other_weights: whether the encoder started from other weights than the configuration names.
        diverged: whether its training loss ended above that of guessing.
        ranges: of a measured speed, column key to the range of its calls or turns and their number.
    """

    path: Path
    record: RunRecord | SpeedRecord
    row: str
    seed: int
    values: dict[str, float | str]
    commit: str | None
    dirty: bool
    hardware: dict[str, Any]
    seconds: float
    other_weights: bool = False
    diverged: bool = False
    ranges: dict[str, tuple[float, float, int]] = field(default_factory=dict)

    @property
    def config_hash(self) -> str:
        """Hash of the configuration that it was made with."""
        return self.record.config_hash

    @property
    def finished(self) -> str:
        """UTC time, ISO 8601."""
        return self.record.finished

    @property
    def size(self) -> list[int]:
        """Height and width of the images."""
        return self.record.size if isinstance(self.record, SpeedRecord) else list(self.record.cost["input_size"])

    @property
    def trained(self) -> RunRecord:
        """The record of a run that trained a net."""
        assert isinstance(self.record, RunRecord)
        return self.record

    @cached_property
    def frames(self) -> Frames | None:
        """One confusion matrix per test frame; None for a record that has none.

        Raises:
            UserError: as of `frame_matrices.load`.
        """
        matrices = frame_matrices.load(self.path, self.trained)
        return None if matrices is None else matrices.part("test")

    def number(self, column: str) -> float:
        """Return the number of a column that has one."""
        value = self.values[column]
        assert isinstance(value, float)
        return value


def trained_run(path: Path, record: RunRecord, table: Table, row: str) -> Run:
    """Return what a table shows of a run's record.

    Raises:
        UserError: a field that the table needs is of another kind.
    """
    try:
        found = {column: record.value(column) for column in table.columns}
        return Run(
            path=path,
            record=record,
            row=row,
            seed=record.seed,
            values={key: x for key, x in found.items() if isinstance(x, str) or (x is not None and math.isfinite(x))},
            commit=record.code["commit"],
            dirty=bool(record.code["dirty"]),
            hardware=dict(record.hardware),
            seconds=float(record.seconds["total"]),
            other_weights=not record.has_weights_asked_for,
            diverged=record.diverged,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a record ({type(error).__name__}: {error}); delete it and repeat the run"
        ) from error


def measured_run(path: Path, record: SpeedRecord, row: str) -> Run:
    """Return what a table shows of a measured speed."""
    numbers = {
        "fps": record.fps,
        "latency_ms": record.latency_ms["median"],
        "ratio": record.ratio["median"] if record.ratio else None,
        "macs_g": record.cost["macs"] / 1e9,
        "params_m": record.cost["params"] / 1e6,
        "deployed_m": deployed / 1e6 if (deployed := record.cost.get("params_deployed")) else None,
        "times_bound": record.roofline["times_bound"],
    }
    slowest, fastest = (1000 / latency for latency in reversed(extent(record.latency_ms)))
    ranges = {"fps": (slowest, fastest, int(record.latency_ms["n"]))}
    if record.ratio:
        ranges["ratio"] = (*extent(record.ratio), int(record.ratio["n"]))
    column = f"{SPEED}{record.hardware['kind']}."
    return Run(
        path=path,
        record=record,
        row=row,
        seed=0,
        values={f"{column}{name}": float(value) for name, value in numbers.items() if value is not None},
        commit=record.code["commit"],
        dirty=bool(record.code["dirty"]),
        hardware=dict(record.hardware),
        seconds=float(record.seconds["total"]),
        ranges={f"{column}{name}": found for name, found in ranges.items()},
    )
