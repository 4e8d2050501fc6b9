"""Which measured speeds fill a table: what `msaseg.benchmark` recorded of the nets that the rows train."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from msaseg.config import net_hash
from msaseg.records.speed import SpeedRecord
from msaseg.tables.spec import Table


def latest_speeds(
    records: Iterable[tuple[Path, SpeedRecord]], rows: Mapping[str, str], table: Table
) -> list[tuple[Path, SpeedRecord, str]]:
    """Return path, record and row of the latest measurement of each row on each kind of device.

    A measurement belongs to a row if it is of the net that the row trains, whatever its classes and weights, and was
    made as `table.speed` says, of the net alone.

    Args:
        records: every measurement with its file.
        rows: `net_hash` of the net that a row trains to that row.
        table: to fill.
    """
    latest: dict[tuple[str, str], tuple[Path, SpeedRecord, str]] = {}
    for path, record in records:
        row = rows.get(net_hash(record.config["net"]))
        if row is None or not _as_asked(record, table):
            continue
        key = (row, record.hardware["kind"])
        if key not in latest or latest[key][1].finished < record.finished:
            latest[key] = (path, record, row)
    return [found for _, found in sorted(latest.items())]


def _as_asked(record: SpeedRecord, table: Table) -> bool:
    return not any(record.include.values()) and all(getattr(record, key) == value for key, value in table.speed.items())
