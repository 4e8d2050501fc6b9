"""How many of the runs that the tables ask for have a record, protocol by protocol and table by table."""

from collections.abc import Sequence
from dataclasses import dataclass

from msaseg.tables.protocols import Protocol
from msaseg.tables.results import Results
from msaseg.tables.spec import Table, made_under


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
    """

    protocol: Protocol
    total: Progress
    tables: dict[str, Progress]
    hours: float


def states(tables: Sequence[Table], results: Results, protocols: Sequence[str]) -> list[State]:
    """Return where each of these protocols stands, also those without any record."""
    return [_state(tables, results, results.plan.protocol(name)) for name in protocols]


def _state(tables: Sequence[Table], results: Results, protocol: Protocol) -> State:
    asked: set[tuple[int, str]] = set()
    recorded: dict[tuple[int, str], float] = {}
    progress = {}
    for table in made_under(protocol.name, tables):
        wanted = {(point.seed, point.config_hash) for point in results.plan.points(table, protocol.name)}
        there = {(run.seed, run.config_hash): run.seconds for run in results.filled(table, protocol.name).runs}
        progress[table.id] = Progress(len(wanted & there.keys()), len(wanted))
        asked |= wanted
        recorded |= there
    return State(
        protocol=protocol,
        total=Progress(len(asked & recorded.keys()), len(asked)),
        tables=progress,
        hours=sum(recorded.values()) / 3600,
    )
