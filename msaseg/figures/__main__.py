"""The figures' command line: `python -m msaseg.figures [--protocol P] [--only ID ...] [--list]`."""

import multiprocessing
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from msaseg.cli.command import parser, run
from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion
from msaseg.figures.catalogue import catalogue, chosen
from msaseg.figures.index import Index
from msaseg.figures.planned import Planned, Skipped
from msaseg.records.places import results_root
from msaseg.records.provenance import code_state
from msaseg.tables.cells import PAPERS
from msaseg.tables.protocols import machine_paths, protocol_names
from msaseg.tables.results import Results
from msaseg.tables.spec import made_under


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a mistake of the user, 1 if a record cannot be read."""
    made = parser(
        "figures",
        "draw the figures, from records or from the modules themselves.",
        ["--list", "--only training_curves", "--protocol smoke"],
    )
    made.add_argument("--protocol", help="figures of this one; default: all that have records, and the paper's network")
    made.add_argument("--only", nargs="+", metavar="ID", help="these figures, by id or its beginning up to a dash")
    made.add_argument("--list", action="store_true", help="say which figures there are, and draw none")
    return run(made, _run, arguments)


def _run(args: Namespace) -> int:
    if args.protocol is not None and args.protocol not in protocol_names():
        raise UserError(f"there is no protocol {args.protocol!r}: {suggestion(args.protocol, protocol_names())}")
    results = Results(machine_paths().outputs)
    plan = results.plan
    protocols = [plan.protocol(name) for name in ([args.protocol] if args.protocol else results.published)]
    # the paper's network is drawn also where nothing has run under its protocol
    nets = protocols if args.protocol else [plan.protocol(PAPERS), *(one for one in protocols if one.name != PAPERS)]
    tables = made_under(args.protocol, results.tables.values()) if args.protocol else results.tables.values()
    planned = catalogue({table.id: table for table in tables}, results, protocols, nets)
    wanted = _wanted(planned, args.only)
    if args.list:
        for figure in wanted:
            print(f"{figure.id}: {figure.title}")
    else:
        index = Index(results_root(protocols[0].publish, plan.outputs) / "figures")
        draw_all(wanted, index)
        everything = args.protocol is None and args.only is None
        for path in index.close({figure.id for figure in planned} if everything else None):
            print(f"deleted {path}: no figure has this name any more, or its records are gone")
    for line in results.unreadable.values():
        print(f"error: {line}", file=sys.stderr)
    return 1 if results.unreadable else 0


def draw_all(figures: Sequence[Planned], index: Index) -> None:
    """Draw figures into an index's folder, on all cores; print a line for each file, or for why there is none.

    Those that would come out as they are, which the records alone tell, are left.
    """
    drawn = len(figures)
    figures = [figure for figure in figures if not index.is_drawn(figure)]
    if len(figures) < drawn:
        print(f"{drawn - len(figures)} of {drawn} figures are drawn already")
    count = max(1, min(os.cpu_count() or 1, len(figures)))
    shared = (figures, index, code_state())
    with ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _shared.extend, (shared,)) as pool:
        for figure, (entry, lines) in zip(figures, pool.map(_add, range(len(figures))), strict=True):
            if entry:
                index.entries[figure.id] = entry
            print(*lines, sep="\n")


_shared: list[Any] = []
"""In a process that draws: the figures, the index and the state of the code."""


def _add(number: int) -> tuple[dict[str, Any] | None, list[str]]:
    """Draw a figure and write its files; return its entry in the index, None without one, and what to print."""
    figures, index, code = _shared
    figure = figures[number]
    try:
        drawing = figure.draw()
    except Skipped as reason:
        return None, [f"skipped {figure.id}: {reason}"]
    files = index.add(figure, drawing, code)
    return index.entries[figure.id], [str(path) for path in files]


def _wanted(planned: list[Planned], only: Sequence[str] | None) -> list[Planned]:
    for word in only or ():
        if not chosen(planned, [word]):
            raise UserError(f"there is no figure {word!r}: {suggestion(word, [figure.id for figure in planned])}")
    return chosen(planned, only) if only else planned


if __name__ == "__main__":
    sys.exit(main())
