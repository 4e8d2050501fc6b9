"""The verdicts and results in the README, each written between two markers."""

from collections.abc import Sequence

from msaseg.records import places
from msaseg.records.files import write_whole
from msaseg.tables.cells import Group
from msaseg.tables.markers import with_part
from msaseg.tables.plan import Plan
from msaseg.tables.render import grid, groups_of, legend, published
from msaseg.tables.spec import Table, load_tables
from msaseg.tables.verdicts import in_short, verdicts


def readme_today(plan: Plan) -> str:
    """Return the README with the verdicts and results that the records give today."""
    names, tables = published(), load_tables().values()
    shown = [(table, groups_of(table, plan, names, [])) for table in tables]
    text = places.README.read_text(encoding="utf-8")
    text = with_part(text, "verdicts", in_short(verdicts(tables, plan, names, [])), places.README)
    return with_part(text, "results", results(shown), places.README)


def update_readme(plan: Plan) -> None:
    """Write today's verdicts and results into the README, if there is a repository."""
    if places.PUBLISHED is not None:
        write_whole(places.README, readme_today(plan))


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
    return "\n\n".join(part for part in parts if part)
