"""How many of the runs that the tables ask for have a record, protocol by protocol and table by table."""

from collections.abc import Sequence
from dataclasses import dataclass

from msaseg.tables.cells import Group
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import Protocol
from msaseg.tables.spec import Table

Filled = tuple[Table, Sequence[Group]]
"""A table and its cells under each protocol that it has records of."""


@dataclass(frozen=True)
class Progress:
    """Runs that are recorded, of those asked for."""

    done: int
    asked: int

    @property
    def percent(self) -> int:
        """Rounded down: 100 means that nothing is missing."""
        return 100 * self.done // self.asked if self.asked else 100


@dataclass(frozen=True)
class State:
    """Where one protocol stands.

    Args:
        protocol: that it is about.
        total: runs of all tables; one that several tables share counts once.
        tables: table id to its own runs.
        hours: that the recorded runs took together.
        missing: the command that lists the runs without a record.
    """

    protocol: Protocol
    total: Progress
    tables: dict[str, Progress]
    hours: float
    missing: str


def states(filled: Sequence[Filled], plan: Plan, protocols: Sequence[str]) -> list[State]:
    """Return where each of these protocols stands, also those without any record."""
    return [_state(filled, plan, plan.protocol(name)) for name in protocols]


def _state(filled: Sequence[Filled], plan: Plan, protocol: Protocol) -> State:
    asked: set[tuple[int, str]] = set()
    recorded: dict[tuple[int, str], float] = {}
    tables = {}
    for table, groups in filled:
        wanted = {(point.seed, point.config_hash) for point in plan.points(table, protocol.name)}
        runs = [run for group in groups if group.protocol.name == protocol.name for run in group.runs]
        there = {(run.seed, run.config_hash): run.seconds for run in runs}
        tables[table.id] = Progress(len(wanted & there.keys()), len(wanted))
        asked |= wanted
        recorded |= there
    return State(
        protocol=protocol,
        total=Progress(len(asked & recorded.keys()), len(asked)),
        tables=tables,
        hours=sum(recorded.values()) / 3600,
        missing=f"python -m msaseg.tables missing --protocol {protocol.name}",
    )
