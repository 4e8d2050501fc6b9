"""Where a number comes from: a line for each run, in the text on hover and in the fold below a table."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msaseg.charts.plotted_table import origin
from msaseg.tables.cells import FilledTable
from msaseg.tables.render import hardware
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table


@dataclass(frozen=True)
class Origin:
    """One run in the fold below a table.

    Args:
        anchor: id that the row's numbers link to; "" for all runs of a row but the first.
        protocol: name of the protocol.
        row: label of the table's row.
        run: the run.
        commit: of the code, shortened.
        hardware: in words.
        minutes: that the run took.
        link: address of the record file, as seen from the page.
    """

    anchor: str
    protocol: str
    row: str
    run: Run
    commit: str
    hardware: str
    minutes: str
    link: str


def anchor(table: Table, protocol: str, row: str) -> str:
    """Return the id of a row's first run in the fold."""
    return f"runs-{table.id}-{protocol}-{list(table.rows).index(row)}"


def origins(filled: Iterable[FilledTable], folder: Path) -> list[Origin]:
    """Return every run behind a table, for a page in this folder: protocol by protocol, row by row, seed by seed."""
    lines = []
    for one in filled:
        protocol, seen = one.protocol.name, set[str]()
        for run in (*one.runs, *one.speeds):
            lines.append(
                Origin(
                    anchor="" if run.row in seen else anchor(one.table, protocol, run.row),
                    protocol=protocol,
                    row=one.table.rows[run.row].label,
                    run=run,
                    commit=commit(run),
                    hardware=hardware(run),
                    minutes=f"{run.seconds / 60:.1f}",
                    link=relative(run.path, folder),
                )
            )
            seen.add(run.row)
    return lines


def on_hover(protocol: str, column: str, runs: Sequence[Run]) -> str:
    """Return what a number says on hover: its protocol, then each seed's value and origin."""
    return "\n".join([f"protocol {protocol}", *(f"{_value(run, column)} ({origin(run)})" for run in runs)])


def commit(run: Run) -> str:
    """Return a run's commit, shortened, and whether the code differed from it."""
    return (run.commit[:10] if run.commit else "unknown") + (", with changes" if run.dirty else "")


def relative(path: Path, folder: Path) -> str:
    """Return the address of a file as seen from a page in a folder."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _value(run: Run, column: str) -> str:
    value = run.values[column]
    return value if isinstance(value, str) else f"{value:.2f}"
