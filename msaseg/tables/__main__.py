"""The tables' command line: `python -m msaseg.tables list|missing|render|verdicts|check|reproduce`."""

import argparse
import sys
from collections.abc import Iterable, Sequence

from msaseg.cli.checks import SEEDS
from msaseg.cli.command import parser, run
from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion
from msaseg.cli.stopping import goes_on_from
from msaseg.records import frame_matrices, places
from msaseg.records.files import write_whole
from msaseg.records.places import results_root
from msaseg.tables.pages import pages
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import machine_paths, protocol_names
from msaseg.tables.reproduce import reproduce
from msaseg.tables.results import Results
from msaseg.tables.spec import Table, load_tables, made_under
from msaseg.tables.verdicts import summary, told, verdicts


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a mistake of the user."""
    made = parser(
        "tables",
        "list, render, check or reproduce the paper's tables and verdicts, from the runs behind them.",
        ["list", "reproduce --protocol smoke", "missing --table pooling_sweep --seeds 0,1", "render"],
    )
    commands = made.add_subparsers(dest="command", required=True)
    about = {
        "list": "every table, with how many of its runs are recorded",
        "missing": "the command of every run that has no record",
        "render": "write Markdown and CSV from the records",
        "verdicts": "whether each claim of the paper holds, by the records",
        "check": "fail if the repository's tables differ from its records",
        "reproduce": "make the missing runs, then render",
    }
    for name, text in about.items():
        command = commands.add_parser(name, help=text, description=text)
        if name != "check":
            command.add_argument("--table", help="this table alone")
        if name in ("missing", "render", "verdicts", "reproduce"):
            default = None if name in ("render", "verdicts") else "paper"
            command.add_argument("--protocol", default=default, help=f"default: {default or 'all that are published'}")
        if name in ("missing", "reproduce"):
            command.add_argument("--seeds", type=_seeds, help="e.g. 0,1; default: those of each sweep")
    return run(made, _run, arguments)


def _run(args: argparse.Namespace) -> int:
    if getattr(args, "protocol", None) is not None:
        _known("protocol", args.protocol, protocol_names())
    results = Results(machine_paths().outputs)
    tables = results.tables
    chosen = list(tables.values())
    if getattr(args, "table", None) is not None:
        _known("table", args.table, list(tables))
        chosen = [tables[args.table]]
    if args.command in ("missing", "reproduce"):
        made = made_under(args.protocol, tables.values())
        if args.table and chosen[0] not in made:
            others = [name for name in protocol_names() if chosen[0] in made_under(name, tables.values())]
            raise UserError(f"{args.table} is not made under {args.protocol}: write --protocol {' or '.join(others)}")
        chosen = [table for table in chosen if table in made]
    elif args.command == "render" and args.protocol is not None and args.table is None:
        chosen = made_under(args.protocol, chosen)
    match args.command:
        case "list":
            return list_tables(chosen, results.plan)
        case "missing":
            return list_missing(chosen, results.plan, args.protocol, args.seeds)
        case "render":
            return render_tables(chosen, results, args.protocol)
        case "verdicts":
            return print_verdicts(chosen, results, args.protocol)
        case "check":
            return check_tables(chosen, results)
        case _:
            goes_on_from(lambda: "here")
            return reproduce(chosen, results.plan, args.protocol, args.seeds)


def list_tables(tables: Sequence[Table], plan: Plan) -> int:
    """Print each table with its rows and, a protocol, the runs recorded of those that its sweep asks for."""
    there = [name for name in protocol_names() if any(plan.records(name).glob(f"*/{name}"))]
    declared = load_tables().values()
    plan.prepare((table, name) for name in there for table in tables if table in made_under(name, declared))
    for table in tables:
        print(f"{table.id}: {table.title} ({len(table.rows)} rows)")
        for protocol in [name for name in protocol_names() if table in made_under(name, declared)]:
            asked = len(table.rows) * len(plan.seeds(table, protocol)) if protocol in there else 0
            done = asked - len(plan.missing(table, protocol)) if asked else 0
            print(f"  {protocol:<10} {f'{done}/{asked} runs' if asked else 'no runs'}")
    return 0


def list_missing(tables: Sequence[Table], plan: Plan, protocol: str, seeds: Sequence[int] | None) -> int:
    """Print the command of every run that has no record, once for all tables that need it."""
    for _, points in plan.left(tables, protocol, seeds):
        for point in points:
            print(f"python -m msaseg.train {' '.join(point.overrides)}")
    return 0


def render_tables(tables: Sequence[Table], results: Results, protocol: str | None) -> int:
    """Write the published protocols' tables into the repository, or an unpublished one's beside its runs."""
    shown = protocol is not None and not results.plan.protocol(protocol).publish
    for path, text in pages(tables, results, protocol).items():
        write_whole(path, text)
        if path.suffix == ".md":
            print(path, *([text] if shown else []), sep="\n\n")
    return _complain(results.unreadable.values())


def print_verdicts(tables: Sequence[Table], results: Results, protocol: str | None) -> int:
    """Print the verdict on each claim under a protocol, or the published ones, and the rule that decided."""
    found = verdicts(tables, results, [protocol] if protocol else results.published)
    for _, verdict in found:
        print(f"{verdict.word:<12}  {verdict.protocol:<8}  {verdict.claim.id}: {verdict.claim.says}\n  {told(verdict)}")
    print(summary(found))
    return _complain(results.unreadable.values())


def check_tables(tables: Sequence[Table], results: Results) -> int:
    """Compare the repository's tables, README and speeds with what the records give today; name the first fault.

    Raises:
        UserError: there is no repository.
    """
    if places.PUBLISHED is None:
        raise UserError("check: this package is installed without its repository, which holds what is compared")
    folder, expected = results_root(True, results.plan.outputs) / "tables", pages(tables, results)
    check_frames(results)
    faults = list(results.unreadable.values())
    for path, text in expected.items():
        if not path.exists():
            faults.append(f"{path}: missing; run `make tables`")
        elif path.read_bytes() != text.encode():
            faults.append(f"{path}: differs from what its records give; run `make tables`")
    surplus = [file for file in folder.glob("*") if not file.name.startswith(".") and file not in expected]
    faults += [f"{file}: no table is rendered to this file; delete it" for file in sorted(surplus)]
    return _complain(faults[:1])


def check_frames(results: Results) -> None:
    """Read the frames' matrices of every published record; those that do not fit theirs are `unreadable`."""
    for path in sorted((results_root(True, results.plan.outputs) / "records").glob("*/*/*/*.json")):
        record = results.record(path)
        try:
            if record is not None:
                frame_matrices.load(path, record)
        except UserError as error:
            results.cannot_read(path, error)


def _complain(lines: Iterable[str]) -> int:
    lines = list(dict.fromkeys(lines))
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    return 1 if lines else 0


def _known(kind: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise UserError(f"there is no {kind} {name!r}: {suggestion(name, names)}")


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write seeds as 0,1,2") from None
    if not all(0 <= seed < SEEDS for seed in seeds):
        raise argparse.ArgumentTypeError(f"{text!r}: a seed is a whole number, 0 or more and below {SEEDS}")
    return list(dict.fromkeys(seeds))


if __name__ == "__main__":
    sys.exit(main())
