"""A table as Markdown and as CSV: every number has a record behind it and its protocol's name beside it."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msaseg.records.places import records_root
from msaseg.records.run import NO_TABLE
from msaseg.tables.cells import MARKS, Group, group
from msaseg.tables.layout import layout, show_paper
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import machine_paths, protocol_names
from msaseg.tables.spec import Table

NOTICE = "<!-- Generated from the records by `make tables`. Do not edit: `make check-tables` compares the two. -->"
CSV_HEADER = (
    *("table", "row", "label", "column", "protocol", "paper"),
    *("mean", "sd", "n", "difference", "marks", "commits"),
)


@dataclass(frozen=True)
class Rendered:
    """A table's two files."""

    markdown: str
    csv: str


def groups_of(table: Table, plan: Plan, protocols: Sequence[str], complaints: list[str]) -> list[Group]:
    """Return one group of cells for each of these protocols that the table has records under.

    Args:
        table: to fill.
        plan: of its runs.
        protocols: names in the order to show.
        complaints: takes one line for each record that cannot be read.
    """
    shown = [name for name in protocols if name in table.protocols] or table.protocols[:1] or protocols
    groups = [group(table, protocol, plan, complaints) for protocol in shown]
    return [part for part in groups if part.runs] or groups[:1]


def published() -> list[str]:
    """Return the names of the protocols that a table has records under; `paper` if there are none yet."""
    root = records_root(True, machine_paths().outputs)
    folders = {path.name for path in root.glob("*/*") if path.parent.name != NO_TABLE}
    return [name for name in protocol_names() if name in folders] or [protocol_names()[0]]


def render_all(
    tables: Sequence[Table], plan: Plan, protocols: Sequence[str], complaints: list[str]
) -> dict[str, Rendered]:
    """Return every table rendered, by its id."""
    return {table.id: render(table, groups_of(table, plan, protocols, complaints)) for table in tables}


def render(table: Table, groups: Sequence[Group]) -> Rendered:
    """Return a table as Markdown and CSV."""
    return Rendered(markdown=_markdown(table, groups), csv=_csv(table, groups))


def write(rendered: dict[str, Rendered], folder: Path) -> list[Path]:
    """Write each table's two files into a folder; return the Markdown ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents(rendered).items():
        (folder / name).write_text(content, encoding="utf-8", newline="\n")
    return [folder / f"{table}.md" for table in rendered]


def contents(rendered: dict[str, Rendered]) -> dict[str, str]:
    """Return file name to content."""
    files = {}
    for table, content in rendered.items():
        files[f"{table}.md"], files[f"{table}.csv"] = content.markdown, content.csv
    return files


def legend(groups: Sequence[Group]) -> list[str]:
    """Return a line for each mark that the table uses."""
    used = {mark for part in groups for cell in part.cells.values() for mark in cell.marks}
    return [f"{sign}: {meaning}." for mark, (sign, meaning) in MARKS.items() if mark in used]


def _markdown(table: Table, groups: Sequence[Group]) -> str:
    parts = [NOTICE, f"# {table.title}", _sources(table), "\n".join(grid(table, groups))]
    parts += ["\n".join(f"- {line}" for line in legend(groups))] if legend(groups) else []
    parts += [table.note] if table.note else []
    parts += ["## Protocols", "\n".join(_about(table, part) for part in groups)]
    if any(part.runs for part in groups):
        parts += ["## Provenance", "\n".join(_provenance(part) for part in groups if part.runs)]
    return "\n\n".join(parts) + "\n"


def _sources(table: Table) -> str:
    ours = "computed" if table.texts else "mean ± sample standard deviation over n seeds"
    return f"The paper's numbers: {table.source}. Ours: {ours}; the protocol is named above each number."


def grid(table: Table, groups: Sequence[Group]) -> Iterator[str]:
    """Return the lines of a table's Markdown grid."""
    head, lines = layout(table, groups)
    yield _line(head)
    yield _line(["---", *["---:"] * (len(head) - 1)])
    for cells in lines:
        yield _line(cells)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def commands(table: Table, part: Group) -> tuple[str, str]:
    """Return what makes a table's numbers under a protocol again: the make target, and this table's runs alone."""
    name, seeds = part.protocol.name, sorted({run.seed for run in part.runs})
    other = bool(seeds) and seeds != sorted(part.asked)
    chosen = ",".join(map(str, seeds))
    every = f"make reproduce-tables PROTOCOL={name}{f' SEEDS={chosen}' if other else ''}"
    words = [f"+experiment={table.id}", f"protocol={name}", *([f"seed={chosen}"] if other else []), "-m"]
    this = f"python -m msaseg.train {' '.join(words)}"
    return every, this


def _about(table: Table, part: Group) -> str:
    every, this = commands(table, part)
    return (
        f"- `{part.protocol.name}`: {part.protocol.about}\n"
        f"  Reproduce: `{every}`, or this table's runs alone: `{this}`."
    )


def _provenance(part: Group) -> str:
    commits = ", ".join(f"`{commit}`" for commit in _commits(part)) or "unknown"
    hardware = ", ".join(sorted({_hardware(run.hardware) for run in part.runs}))
    hours = sum(run.seconds for run in part.runs) / 3600
    runs = f"{len(part.runs)} run{'s' if len(part.runs) > 1 else ''}"
    return f"- `{part.protocol.name}`: {runs}, {hours:.1f} hours; {hardware}; commit {commits}.{_speeds(part)}"


def _speeds(part: Group) -> str:
    if not part.speeds:
        return ""
    hardware = ", ".join(sorted({_hardware(run.hardware) for run in part.speeds}))
    commits = ", ".join(sorted({f"`{run.commit[:10]}`" for run in part.speeds if run.commit})) or "unknown"
    number = f"{len(part.speeds)} measurement{'s' if len(part.speeds) > 1 else ''}"
    return f" Speeds: {number}; {hardware}; commit {commits}."


def _hardware(hardware: dict[str, object]) -> str:
    device, cores, precision = (hardware.get(key, "?") for key in ("device", "cores", "precision"))
    return f"{device} ({cores} cores, {precision})"


def _commits(part: Group, row: str | None = None) -> list[str]:
    return sorted({run.commit[:10] for run in part.runs if run.commit and row in (None, run.row)})


def _csv(table: Table, groups: Sequence[Group]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for part in groups:
        for (row, column), cell in part.cells.items():
            commits = " ".join(_commits(part, row)) if cell.n else ""
            numbers = [cell.text or _plain(cell.mean), _plain(cell.sd), cell.n, _plain(cell.difference)]
            names = [table.id, row, table.rows[row].label, column, part.protocol.name, show_paper(cell.paper)]
            writer.writerow([*names, *numbers, " ".join(cell.marks), commits])
    return text.getvalue()


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
