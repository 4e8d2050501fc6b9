"""The dashboard's command line: `python -m msaseg.dashboard [--dry-run | --json] [--entity E] [--project P]`."""

import sys
from argparse import Namespace
from collections.abc import Sequence

from omegaconf import OmegaConf

from msaseg.cli.command import parser, run
from msaseg.config import CONF
from msaseg.dashboard.runs import runs_of_tables
from msaseg.dashboard.sections import dashboard
from msaseg.dashboard.specification import outline, to_json
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import machine_paths
from msaseg.tables.spec import load_tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a mistake of the user."""
    made = parser(
        "dashboard",
        "publish a W&B report over all tables and a workspace for each; a later call updates them.",
        ["--dry-run", "--entity my-team --project msaseg"],
    )
    project = str(OmegaConf.load(CONF / "logger" / "wandb.yaml").wandb.project)
    made.add_argument("--dry-run", action="store_true", help="print an outline of what would be published")
    made.add_argument("--json", action="store_true", help="print all of it, and publish nothing")
    made.add_argument("--entity", help="user or team; default: that of the account")
    made.add_argument("--project", default=project, help=f"default: {project}")
    return run(made, _run, arguments)


def _run(args: Namespace) -> int:
    look = args.dry_run or args.json
    if not look:
        from msaseg.dashboard import publish

        entity = publish.account(args.entity)
    tables = load_tables()
    content = dashboard(tables, runs_of_tables(tables, Plan(machine_paths().outputs)))
    if look:
        print((to_json if args.json else outline)(content, args.project))
        return 0
    for name, address in publish.publish(content, entity, args.project):
        print(f"{name}: {address}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
