"""Records as a finished run leaves them, for the tests of the tables."""

from dataclasses import dataclass, replace
from pathlib import Path

from msaseg.records.run import RunRecord
from msaseg.tables.plan import Plan, Point
from msaseg.tables.results import Results
from msaseg.tables.spec import Table, load_tables

TABLE = load_tables()["pooling_sweep"]


def matrix_of(miou: float | None) -> list[list[int]]:
    """Return a confusion matrix of this mIoU, in percent; None has no pixel."""
    hit = round((miou or 0) * 10_000)
    missed = 0 if miou is None else 1_000_000 - hit
    return [[2 * hit, missed], [missed, 2 * hit]]


def record_of(point: Point, miou: float, **changes) -> RunRecord:
    metrics = changes.get("metrics", {"test": {"miou_pct": miou}})
    if "confusion" not in changes:
        parts = {part: scores["miou_pct"] for part, scores in metrics.items() if "miou_pct" in scores}
        changes["confusion"] = {part: matrix_of(score) for part, score in parts.items()}
    record = RunRecord(
        table=point.table,
        protocol=point.protocol,
        row=point.row,
        seed=point.seed,
        config_hash=point.config_hash,
        metrics=metrics,
        confusion={},
        classes=["Sky", "Building"],
        cost={"params": 2_000_000, "macs": 3_000_000_000, "input_size": [64, 96]},
        history={"train/loss": [[0, 1.0], [10, 0.5]]},
        config={},
        overrides=list(point.overrides),
        data={},
        weights="none",
        code={"commit": "0123456789abcdef", "dirty": False},
        versions={},
        hardware={"device": "Some CPU", "kind": "cpu", "cores": 2, "precision": "32-true"},
        seconds={"fit": 30.0, "test": 6.0, "total": 36.0},
        finished="2026-01-01T00:00:00+00:00",
    )
    return replace(record, **changes)


@dataclass
class Suite:
    """A suite whose results lie in a temporary folder."""

    folder: Path
    plan: Plan
    table: Table = TABLE

    @property
    def outputs(self) -> Path:
        return self.plan.outputs

    @property
    def published(self) -> Path:
        return self.folder / "experiments"

    @property
    def results(self) -> Results:
        """What is recorded now."""
        return Results(self.outputs)

    def points(self, protocol: str, row: str) -> list[Point]:
        """Return the runs of a row with the seeds 0, 1 and 2, whatever the protocol asks for."""
        return [point for point in self.plan.points(self.table, protocol, [0, 1, 2]) if point.row == row]

    def add(self, point: Point, miou: float, **changes) -> Path:
        record = record_of(point, miou, **changes)
        path = record.key.path(self.plan.records(point.protocol))
        record.save(path)
        return path
