"""Where a run's record lies: in the repository if a row of a table asks for the run, else on this machine alone."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from msaseg.cli.errors import UserError
from msaseg.records.places import records_root
from msaseg.records.run import RunKey
from msaseg.tables.plan import Plan
from msaseg.tables.spec import load_tables


def path_of_record(config: DictConfig) -> Path:
    """Return where the record of a composed run is, or will be.

    Under a protocol that publishes, a run whose recipe no row of any table has (`protocol.epochs=3`, say) is filed in
    `outputs`. A record that lies in the repository already stays there.

    Raises:
        UserError: a run for debugging, which leaves none.
    """
    if config.get("debug"):
        raise UserError(f"+debug={config.debug}: such a run leaves no record: leave -m out")
    outputs, key = Path(config.paths.outputs), RunKey.of(config)
    root, own = records_root(config.protocol.publish, outputs), records_root(False, outputs)
    found = key.find(root)
    if found or root == own or is_asked_for(key, _plan(outputs)):
        return found or key.path(root)
    return key.find(own) or key.path(own)


def is_asked_for(key: RunKey, plan: Plan) -> bool:
    """Return whether a row of a table, its own first, asks for what a run computes, under whatever seed."""
    for table in sorted(load_tables().values(), key=lambda table: table.id != key.table):
        with suppress(UserError), _another_hydra():  # what is wrong with a table is told where tables are made
            if any(point.config_hash == key.config_hash for point in plan.points(table, key.protocol, [key.seed])):
                return True
    return False


@contextmanager
def _another_hydra() -> Iterator[None]:
    """Let something be composed while Hydra runs a job: there is one Hydra a process."""
    hydra = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra


@cache
def _plan(outputs: Path) -> Plan:
    """One a process: a sweep asks for each of its runs."""
    return Plan(outputs)
