"""The tables' command line: `python -m msaseg.tables list|missing|render|check|reproduce`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msaseg.cli.command import Parser, parser, run
from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion
from msaseg.cli.stopping import goes_on_from
from msaseg.records import frame_matrices, places
from msaseg.records.places import results_root
from msaseg.records.run import RunRecord
from msaseg.records.speed import speeds_root
from msaseg.tables.measurements import page
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import machine_paths, protocol_names
from msaseg.tables.readme import readme_today, update_readme
from msaseg.tables.render import contents, published, render_all, write
from msaseg.tables.reproduce import reproduce
from msaseg.tables.spec import Table, load_tables, made_under
from msaseg.tables.verdicts import FILE as VERDICTS
from msaseg.tables.verdicts import page as verdicts_page
from msaseg.tables.verdicts import summary, told, verdicts, write_verdicts


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a mistake of the user."""
    return run(_parser(), _run, arguments)


def _run(args: argparse.Namespace) -> int:
    if getattr(args, "protocol", None) is not None:
        _known("protocol", args.protocol, protocol_names())
    tables = load_tables()
    chosen = list(tables.values())
    if getattr(args, "table", None) is not None:
        _known("table", args.table, list(tables))
        chosen = [tables[args.table]]
    elif args.command in ("missing", "reproduce"):
        chosen = made_under(args.protocol, chosen)
    plan = Plan(machine_paths().outputs)
    match args.command:
        case "list":
            return list_tables(chosen, plan)
        case "missing":
            return list_missing(chosen, plan, args.protocol, args.seeds)
        case "render":
            return render_tables(chosen, plan, args.protocol)
        case "verdicts":
            return print_verdicts(chosen, plan)
        case "check":
            return check_tables(chosen, plan)
        case _:
            goes_on_from(lambda: "here")
            return reproduce(chosen, plan, args.protocol, args.seeds)


def list_tables(tables: Sequence[Table], plan: Plan) -> int:
    """Print each table with its rows and, a protocol, the runs recorded of those that its sweep asks for."""
    for table in tables:
        print(f"{table.id}: {table.title} ({len(table.rows)} rows)")
        for protocol in [name for name in protocol_names() if table in made_under(name, load_tables().values())]:
            asked, done = len(table.rows) * len(plan.seeds(table, protocol)), 0
            if any(plan.records(protocol).glob(f"*/{protocol}")):
                done = asked - len(plan.missing(table, protocol))
            print(f"  {protocol:<10} {done}/{asked} runs")
    return 0


def list_missing(tables: Sequence[Table], plan: Plan, protocol: str, seeds: Sequence[int] | None) -> int:
    """Print the command of every run that has no record."""
    for table in tables:
        for point in plan.missing(table, protocol, seeds):
            print(f"python -m msaseg.train {' '.join(point.overrides)}")
    return 0


def render_tables(tables: Sequence[Table], plan: Plan, protocol: str | None) -> int:
    """Write the published protocols' tables into the repository, or an unpublished one's beside its runs."""
    publish = protocol is None or plan.protocol(protocol).publish
    names = published() if publish or protocol is None else [protocol]
    complaints: list[str] = []
    rendered = render_all(tables, plan, names, complaints)
    folder = results_root(publish, plan.outputs) / "tables"
    for file in write(rendered, folder):
        print(file)
    if publish:
        print(write_verdicts(plan, folder, names, complaints))
        update_readme(plan)
        write_speeds(plan, complaints)
    if not publish:
        print("\n" + "\n".join(content.markdown for content in rendered.values()))
    return _complain(complaints)


def print_verdicts(tables: Sequence[Table], plan: Plan) -> int:
    """Print the verdict on each claim under the published protocols, and the rule that decided."""
    complaints: list[str] = []
    found = verdicts(tables, plan, published(), complaints)
    for _, verdict in found:
        print(f"{verdict.word:<12}  {verdict.protocol:<8}  {verdict.claim.id}: {verdict.claim.says}\n  {told(verdict)}")
    print(summary(found))
    return _complain(complaints)


def write_speeds(plan: Plan, complaints: list[str]) -> None:
    """Write the page of the measured speeds beside their records."""
    root = speeds_root(True, plan.outputs)
    content = page(root, complaints)
    if content:
        (root / "README.md").write_text(content, encoding="utf-8", newline="\n")
        print(root / "README.md")


def check_tables(tables: Sequence[Table], plan: Plan) -> int:
    """Compare the repository's tables with what the records give today.

    Raises:
        UserError: there is no repository.
    """
    if places.PUBLISHED is None:
        raise UserError("check: this package is installed without its repository, which holds what is compared")
    complaints: list[str] = []
    expected = contents(render_all(tables, plan, published(), complaints))
    expected[VERDICTS] = verdicts_page(verdicts(tables, plan, published(), complaints))
    folder = results_root(True, plan.outputs) / "tables"
    present = {file.name for file in folder.glob("*") if not file.name.startswith(".")}
    for name in sorted(expected.keys() | present):
        if name not in expected:
            complaints.append(f"{folder / name}: no table is rendered to this file; delete it")
        elif name not in present:
            complaints.append(f"{folder / name}: missing; run `make tables`")
        elif (folder / name).read_bytes() != expected[name].encode():
            complaints.append(f"{folder / name}: differs from what its records give; run `make tables`")
    complaints += broken_frames(results_root(True, plan.outputs) / "records")
    speeds = speeds_root(True, plan.outputs)
    on_disk = speeds / "README.md"
    if page(speeds, complaints) != (on_disk.read_text(encoding="utf-8") if on_disk.exists() else ""):
        complaints.append(f"{on_disk}: differs from what its records give; run `make tables`")
    readme = places.README
    if readme.read_text(encoding="utf-8") != readme_today(plan):
        complaints.append(f"{readme}: its results differ from what the records give; run `make tables`")
    return _complain(complaints[:1])


def broken_frames(root: Path) -> list[str]:
    """Return a line for each record below a folder whose frames' matrices do not fit it."""
    complaints = []
    for path in sorted(root.glob("*/*/*/*.json")):
        with suppress(UserError):  # told where the tables read it
            record = RunRecord.load(path)
            try:
                frame_matrices.load(path, record)
            except UserError as error:
                complaints.append(str(error))
    return complaints


def _complain(complaints: Sequence[str]) -> int:
    for line in complaints:
        print(f"error: {line}", file=sys.stderr)
    return 1 if complaints else 0


def _known(kind: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise UserError(f"there is no {kind} {name!r}: {suggestion(name, names)}")


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write seeds as 0,1,2") from None
    if min(seeds) < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: a seed is 0 or more")
    return list(dict.fromkeys(seeds))


def _parser() -> Parser:
    made = parser(
        "tables",
        "list, render, check or reproduce the paper's tables, from the runs behind them.",
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
        if name in ("missing", "render", "reproduce"):
            default = None if name == "render" else "paper"
            command.add_argument("--protocol", default=default, help=f"default: {default or 'all that are published'}")
        if name in ("missing", "reproduce"):
            command.add_argument("--seeds", type=_seeds, help="e.g. 0,1; default: those of each sweep")
    return made


if __name__ == "__main__":
    sys.exit(main())
