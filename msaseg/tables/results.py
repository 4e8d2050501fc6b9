"""Every record that there is, read once a command, and the tables that the records fill."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from msaseg.cli.errors import UserError
from msaseg.config import net_hash
from msaseg.records.places import FILES, records_root
from msaseg.records.run import NO_TABLE, RunRecord
from msaseg.records.speed import SpeedRecord
from msaseg.tables.cells import FilledTable, fill
from msaseg.tables.plan import Plan, recorded
from msaseg.tables.protocols import protocol_names
from msaseg.tables.runs import SPEED, Run, measured_run, trained_run
from msaseg.tables.spec import Table, load_tables, made_under


class Results:
    """What the records say; a record that cannot be read is left out and named in `unreadable`.

    Args:
        outputs: the machine's folder for runs: holds the records of protocols that are not published.
    """

    def __init__(self, outputs: Path | str) -> None:
        self.plan = Plan(Path(outputs))
        self.unreadable: dict[Path, str] = {}
        self._records: dict[Path, RunRecord | None] = {}
        self._speeds: dict[Path, list[tuple[Path, SpeedRecord]]] = {}
        self._files: dict[Path, list[Path]] = {}
        self._filled: dict[tuple[str, str], FilledTable] = {}

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Every declared table by its id."""
        return load_tables()

    @cached_property
    def published(self) -> list[str]:
        """Names of the protocols that a table has records under, in the order to show; `paper` if there are none."""
        files = self._below(records_root(True, self.plan.outputs))
        there = {path.parts[-3] for path in files if path.parts[-4] != NO_TABLE}
        return [name for name in protocol_names() if name in there] or [protocol_names()[0]]

    def filled(self, table: Table, protocol: str) -> FilledTable:
        """Return a table's cells under one protocol.

        A row's runs are the records filed under it, and those of its configuration that another table asked for
        first: a run that two tables need is made once.
        """
        key = (table.id, protocol)
        if key not in self._filled:
            points = self.plan.points(table, protocol)
            self._filled[key] = fill(
                table,
                self.plan.protocol(protocol),
                tuple(dict.fromkeys(point.seed for point in points)),
                {point.row: point.config_hash for point in points},
                self._runs(table, protocol, {point.row: point.config_hash for point in points}),
                self._measured(table, protocol),
            )
        return self._filled[key]

    def shown(self, table: Table, protocols: Sequence[str]) -> list[FilledTable]:
        """Return a table under those of the protocols that it is made and has records under; the first one if none.

        What is computed of the nets themselves is the same under all: it is shown once.
        """
        filled = [self.filled(table, name) for name in self.protocols(table, protocols)]
        there = [one for one in filled if one.runs]
        return there[: 1 if table.texts else None] or filled[:1]

    def prepare(self, tables: Iterable[Table], protocols: Sequence[str]) -> None:
        """Compose at once, on all cores, what `shown` and `filled` need of these tables."""
        self.plan.prepare((table, name) for table in tables for name in self.protocols(table, protocols))

    def protocols(self, table: Table, among: Sequence[str]) -> Sequence[str]:
        """Return those of the protocols that a table is made under; if none is, its own, or all for one without."""
        tables = [*self.tables.values(), table]
        return [name for name in among if table in made_under(name, tables)] or table.protocols[:1] or among

    def record(self, path: Path) -> RunRecord | None:
        """Return a run's record, or None if it cannot be read or lies elsewhere than it says."""
        if path not in self._records:
            try:
                record = RunRecord.load(path)
                place = record.key.path(path.parents[3])
                if place != path:
                    raise UserError(f"{path}: the record is of {place}; move it there or delete it")
                self._records[path] = record
            except (UserError, OSError) as error:
                self._records[path] = None
                self.cannot_read(path, error)
        return self._records[path]

    def speeds(self, root: Path) -> list[tuple[Path, SpeedRecord]]:
        """Return every measured speed below a folder."""
        if root not in self._speeds:
            self._speeds[root] = []
            for path in sorted(root.glob("*/*.json")):
                try:
                    self._speeds[root].append((path, SpeedRecord.load(path)))
                except (UserError, OSError) as error:
                    self.cannot_read(path, error)
        return self._speeds[root]

    def _runs(self, table: Table, protocol: str, current: dict[str, str]) -> list[Run]:
        files = sorted(recorded(self._below(self.plan.records(protocol)), protocol).values())
        runs = []
        for row, digest in current.items():
            for path in files:
                own = path.parts[-4] == table.id and path.parts[-2] == row
                if not (own or path.stem.endswith(f"-{digest}")):
                    continue
                record = self.record(path)
                try:
                    runs += [] if record is None else [trained_run(path, record, table, row)]
                except UserError as error:
                    self.cannot_read(path, error)
        return runs

    def _measured(self, table: Table, protocol: str) -> list[Run]:
        if not any(column.startswith(SPEED) for column in table.columns):
            return []
        records = self.speeds(self.plan.speeds(protocol))
        rows = {digest: row for row, digest in self.plan.nets(table, protocol).items()} if records else {}
        return [measured_run(path, record, row) for path, record, row in latest_speeds(records, rows, table)]

    def _below(self, root: Path) -> list[Path]:
        if root not in self._files:
            self._files[root] = sorted(root.glob(FILES))
        return self._files[root]

    def cannot_read(self, path: Path, error: Exception) -> None:
        """Keep why a file cannot be read."""
        self.unreadable[path] = str(error)


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
        row = rows.get(net_hash(record.config.get("net", {})))
        if row is None or not _as_asked(record, table):
            continue
        key = (row, record.hardware["kind"])
        if key not in latest or latest[key][1].finished < record.finished:
            latest[key] = (path, record, row)
    return [found for _, found in sorted(latest.items())]


def _as_asked(record: SpeedRecord, table: Table) -> bool:
    return not any(record.include.values()) and all(getattr(record, key) == value for key, value in table.speed.items())
