"""The report's command line: `python -m msaseg.report [--protocol P]`."""

import sys
from argparse import Namespace
from collections.abc import Sequence

from msaseg.cli.command import parser, run
from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion
from msaseg.records.files import write_whole
from msaseg.records.places import results_root
from msaseg.report.content import gather
from msaseg.report.page import html
from msaseg.tables.protocols import machine_paths, protocol_names
from msaseg.tables.results import Results
from msaseg.tables.spec import made_under

NAME = "report.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a mistake of the user, 1 if a file cannot be read."""
    made = parser("report", "write the report: one HTML page that needs no network.", ["", "--protocol smoke"])
    made.add_argument("--protocol", help="one that is not published; default: all that are published")
    return run(made, _run, arguments)


def _run(args: Namespace) -> int:
    names = protocol_names()
    if args.protocol is not None and args.protocol not in names:
        raise UserError(f"there is no protocol {args.protocol!r}: {suggestion(args.protocol, names)}")
    results = Results(machine_paths().outputs)
    plan = results.plan
    publish = args.protocol is None or plan.protocol(args.protocol).publish
    shown = results.published if publish else [args.protocol]
    known = [name for name in names if plan.protocol(name).publish] if publish else shown
    folder = results_root(publish, plan.outputs)
    tables = results.tables.values() if publish else made_under(args.protocol, results.tables.values())
    page = html(gather(tables, results, shown, known, folder))
    write_whole(folder / NAME, page)
    print(folder / NAME)
    for line in dict.fromkeys(results.unreadable.values()):
        print(f"error: {line}", file=sys.stderr)
    return 1 if results.unreadable else 0


if __name__ == "__main__":
    sys.exit(main())
