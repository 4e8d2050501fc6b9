"""The results in the README: the grids of the tables that have records, written between two markers."""

import os
from collections.abc import Sequence
from pathlib import Path

from msaseg import records
from msaseg.errors import UserError
from msaseg.tables.cells import Group
from msaseg.tables.plan import Plan
from msaseg.tables.render import grid, groups_of, legend, published
from msaseg.tables.spec import Table, load_tables

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def readme_today(plan: Plan) -> str:
    """Return the README with the results that the records give today."""
    names = published()
    shown = [(table, groups_of(table, plan, names, [])) for table in load_tables().values()]
    return with_results(records.README.read_text(encoding="utf-8"), results(shown), records.README)


def update_readme(plan: Plan) -> None:
    """Write today's results into the README, if there is a repository."""
    if records.PUBLISHED is None:
        return
    part = records.README.with_name(f".{records.README.name}.part")
    part.write_text(readme_today(plan), encoding="utf-8", newline="\n")
    os.replace(part, records.README)


def with_results(text: str, results: str, file: Path) -> str:
    """Return a text with what stands between its markers replaced.

    Raises:
        UserError: the two markers are not there once each, in order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in tail:
        raise UserError(f"{file}: the lines {BEGIN} and {END} must be there, once each: put them back")
    return f"{head}{begin}\n{results}{end}{tail}"


def results(tables: Sequence[tuple[Table, Sequence[Group]]]) -> str:
    """Return a section for each table that has a record, and one line that names the others.

    Args:
        tables: each with its groups of the published protocols.
    """
    parts, empty = [], []
    for table, groups in tables:
        if not any(group.runs for group in groups):
            empty.append(table.title)
            continue
        link = f"experiments/tables/{table.id}.md"
        parts.append(f"**{table.title}** ([details and provenance]({link}))")
        parts.append("\n".join(grid(table, groups)))
        parts.append("\n".join(f"- {line}" for line in legend(groups)))
    if empty:
        parts.append(f"No record yet: {'; '.join(empty)}.")
    return "\n" + "\n\n".join(part for part in parts if part) + "\n\n"
