"""Where a run's record lies: in the repository if a row of a table asks for the run, else on this machine alone."""

from contextlib import suppress
from functools import cache
from pathlib import Path

from omegaconf import DictConfig

from msaseg.cli.errors import UserError
from msaseg.records.places import FILES, records_root
from msaseg.records.run import RunKey
from msaseg.tables.plan import Plan, recorded
from msaseg.tables.spec import Table, load_tables, made_under


def path_of_record(config: DictConfig) -> Path:
    """Return where the record of a composed run is, or will be."""
    return RecordPaths(config)(RunKey.of(config))


class RecordPaths:
    """Where the records of runs are, or will be: the folders are read once for all runs of a sweep.

    Under a protocol that publishes, a run whose recipe no row of any table has (`protocol.epochs=3`, say) is filed in
    `outputs`. A record that lies in the repository already stays there.

    Args:
        config: of any of the runs; they share protocol and folders.

    Raises:
        UserError: a run for debugging, which leaves none.
    """

    def __init__(self, config: DictConfig) -> None:
        if config.get("debug"):
            raise UserError(f"+debug={config.debug}: such a run leaves no record: leave -m out")
        self.outputs, self.protocol = Path(config.paths.outputs), config.protocol.name
        self.root, self.own = records_root(config.protocol.publish, self.outputs), records_root(False, self.outputs)
        self.found = recorded(self.root.glob(FILES), self.protocol)
        self.found_own = self.found if self.own == self.root else recorded(self.own.glob(FILES), self.protocol)

    def __call__(self, key: RunKey) -> Path:
        """Return the path of one run's record."""
        found = self.found.get(key.file_name)
        if found or self.root == self.own or is_asked_for(key, self.outputs):
            return found or key.path(self.root)
        return self.found_own.get(key.file_name) or key.path(self.own)


def is_asked_for(key: RunKey, outputs: Path) -> bool:
    """Return whether a row of a table, its own first, asks for what a run computes, under whatever seed."""
    tables = sorted(made_under(key.protocol, _tables().values()), key=lambda table: table.id != key.table)
    return any(key.config_hash in _hashes(table.id, key.protocol, outputs) for table in tables)


@cache
def _tables() -> dict[str, Table]:
    return load_tables()


@cache
def _hashes(table: str, protocol: str, outputs: Path) -> frozenset[str]:
    with suppress(UserError):  # what is wrong with a table is told where tables are made
        return frozenset(point.config_hash for point in _plan(outputs).points(_tables()[table], protocol, [0]))
    return frozenset()


@cache
def _plan(outputs: Path) -> Plan:
    return Plan(outputs)
