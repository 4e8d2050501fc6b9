"""A table as Markdown and as CSV: every number has a record behind it and its protocol's name beside it."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from msaseg.cli.duration import duration
from msaseg.tables.cells import FilledTable
from msaseg.tables.layout import Kind, layout, legend, marks_shown, show_paper
from msaseg.tables.results import Results
from msaseg.tables.runs import Run
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


def render_all(tables: Iterable[Table], results: Results, protocols: Sequence[str]) -> dict[str, Rendered]:
    """Return every table rendered, by its id."""
    tables = list(tables)
    results.prepare(tables, protocols)
    rendered = {}
    for table in tables:
        asked = [] if table.texts else [results.filled(table, name) for name in results.protocols(table, protocols)]
        rendered[table.id] = render(results.shown(table, protocols), asked)
    return rendered


def render(filled: Sequence[FilledTable], asked: Sequence[FilledTable] = ()) -> Rendered:
    """Return a table as Markdown and CSV.

    Args:
        filled: it under each protocol to show.
        asked: it under each protocol whose missing runs are to be told.
    """
    return Rendered(markdown=_markdown(filled, asked), csv=_csv(filled))


def _markdown(filled: Sequence[FilledTable], asked: Sequence[FilledTable]) -> str:
    table = filled[0].table
    parts = [NOTICE, f"# {table.title}", _sources(table), "\n".join(grid(table, filled))]
    parts += ["\n".join(notes)] if (notes := list(legends(filled))) else []
    parts += [table.note] if table.note else []
    parts += ["## Protocols", "\n".join(_about(one) for one in filled)]
    if missing := list(filter(None, map(_missing, asked))):
        parts += ["## Not run yet", "\n".join(missing)]
    if any(one.runs for one in filled):
        parts += ["## Provenance", "\n".join(_provenance(one) for one in filled if one.runs)]
    return "\n\n".join(parts) + "\n"


def _sources(table: Table) -> str:
    ours = "computed" if table.texts else "mean ± sample standard deviation over n seeds"
    source = table.source if table.source.startswith("ours") else f"The paper's numbers: {table.source}"
    return f"{source}. Ours: {ours}; the protocol is named above each number."


def grid(table: Table, filled: Sequence[FilledTable]) -> Iterator[str]:
    """Return the lines of a table's Markdown grid."""
    laid = layout(table, filled)
    heads = []
    for head in laid.heads:
        of = f"`{head.protocol}`" if head.kind is Kind.OURS else "as printed" if head.kind is Kind.PRINTED else ""
        heads.append(": ".join(filter(None, (of, head.text))))
    yield _line(heads)
    yield _line(["---", *["---:"] * (len(heads) - 1)])
    for entries in laid.lines:
        yield _line([str(entry) for entry in entries])


def legends(filled: Sequence[FilledTable]) -> Iterator[str]:
    """Return the lines below a table's grid: seeds and marks, protocol by protocol."""
    for one in filled:
        if lines := legend(one):
            yield f"- `{one.protocol.name}`: {' '.join(lines)}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def commands(filled: FilledTable) -> tuple[str, str]:
    """Return what makes every table's missing runs, and what makes this table's runs again, those it shows alone."""
    name, seeds = filled.protocol.name, sorted({run.seed for run in filled.runs})
    chosen = f" seed={','.join(map(str, seeds))}" if seeds and seeds != sorted(filled.asked) else ""
    again = f"python -m msaseg.train +experiment={filled.table.id} protocol={name}{chosen} rerun=true -m"
    return f"make reproduce-tables PROTOCOL={name}", again


def _about(filled: FilledTable) -> str:
    missing, again = commands(filled)
    return (
        f"- `{filled.protocol.name}`: {filled.protocol.about}\n"
        f"  This table's runs again: `{again}`. The missing runs of all tables: `{missing}`."
    )


def _missing(filled: FilledTable) -> str | None:
    """Return how many rows have no run, and roughly how long one seed of them takes."""
    there, name = {run.row for run in filled.runs}, filled.protocol.name
    if not (rows := len(filled.table.rows) - len(there)):
        return None
    cpu, gpu = (duration(60 * filled.protocol.minutes[kind] * rows) for kind in ("cpu", "gpu"))
    takes = f"One seed of them takes about {cpu} on a CPU, {gpu} on a GPU"
    said = f"- `{name}`: {rows} of {len(filled.table.rows)} rows. {takes}"
    return f"{said}: `python -m msaseg.train +experiment={filled.table.id} protocol={name} seed={filled.asked[0]} -m`."


def _provenance(filled: FilledTable) -> str:
    hours = sum(run.seconds for run in filled.runs) / 3600
    number = f"{len(filled.runs)} run{'s' if len(filled.runs) > 1 else ''}"
    said = f"- `{filled.protocol.name}`: {number}, {hours:.1f} hours; {_made(filled.runs)}."
    if filled.speeds:
        number = f"{len(filled.speeds)} measurement{'s' if len(filled.speeds) > 1 else ''}"
        said += f" Speeds: {number}; {_made(filled.speeds)}."
    return said


def _made(runs: Sequence[Run]) -> str:
    commits = ", ".join(f"`{commit}`" for commit in _commits(runs)) or "unknown"
    return f"{', '.join(sorted({hardware(run) for run in runs}))}; commit {commits}"


def hardware(run: Run) -> str:
    """Return a run's machine in words."""
    device, cores, precision = (run.hardware.get(key, "?") for key in ("device", "cores", "precision"))
    return f"{device} ({cores} cores, {precision})"


def _commits(runs: Sequence[Run]) -> list[str]:
    return sorted({run.commit[:10] for run in runs if run.commit})


def _csv(filled: Sequence[FilledTable]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for one in filled:
        for (row, column), cell in one.cells.items():
            behind = [run for run in (*one.runs, *one.speeds) if run.row == row and column in run.values]
            difference = cell.difference if one.is_the_papers else None
            numbers = [cell.text or _plain(cell.mean), _plain(cell.sd), cell.n, _plain(difference)]
            label = one.table.rows[row].label
            names = [one.table.id, row, label, column, one.protocol.name, show_paper(cell.paper)]
            writer.writerow([*names, *numbers, " ".join(marks_shown(cell, one)), " ".join(_commits(behind))])
    return text.getvalue()


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
