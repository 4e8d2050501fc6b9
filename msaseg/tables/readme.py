"""The verdicts and the headline results in the README, each written between two markers."""

from collections.abc import Iterator
from pathlib import Path

from msaseg.cli.errors import UserError
from msaseg.records import places
from msaseg.tables.cells import PAPERS, FilledTable
from msaseg.tables.decide import change_over_frames
from msaseg.tables.layout import ours, show_paper
from msaseg.tables.markers import with_part
from msaseg.tables.order import in_order
from msaseg.tables.results import Results
from msaseg.tables.verdicts import in_short, verdicts

SCORE = "miou_pct"
TO_USE = "native_models"
"""The table of models to use, which the paper does not have."""


def readme_today(results: Results) -> str:
    """Return the README with the verdicts and results that the records give today."""
    tables = in_order(results.tables.values())
    text = places.README.read_text(encoding="utf-8")
    text = with_part(text, "verdicts", in_short(verdicts(tables, results, results.published)), places.README)
    return with_part(text, "results", "\n".join(headline(results)), places.README)


def headline(results: Results) -> Iterator[str]:
    """Yield a Markdown table: the row that the paper puts on top of each of its tables, and the models to use."""
    yield "| mIoU on the test frames, % | the paper | ours | 95 % over frames | protocol |"
    yield "|---|---:|---:|---:|---|"
    for table in in_order(results.tables.values()):
        printed = {row: value for row in table.rows if isinstance(value := table.printed(row, SCORE), float)}
        if printed:
            yield _line(results, results.filled(table, PAPERS), max(printed, key=printed.__getitem__))
        elif table.id == TO_USE:
            (protocol,) = table.protocols
            filled = results.filled(table, protocol)
            yield from (
                _line(results, filled, row) for row in {run.row: None for run in filled.runs} or [*table.rows][:1]
            )


def _line(results: Results, filled: FilledTable, row: str) -> str:
    table = filled.table
    name = f"[{table.short}](experiments/tables/{table.id}.md), {table.rows[row].label}"
    cell = filled.cells[row, SCORE]
    cells = [
        name,
        show_paper(cell.paper),
        str(ours(cell, filled)),
        _interval(results, filled, row),
        f"`{filled.protocol.name}`",
    ]
    return f"| {' | '.join(cells)} |"


def _interval(results: Results, filled: FilledTable, row: str) -> str:
    """Return the interval of the mean over the row's seeds; "" where frames were not kept or are damaged."""
    runs = [run for run in filled.runs if run.row == row]
    try:
        found = change_over_frames([(1 / len(runs), run) for run in runs]) if runs else None
    except UserError as error:
        results.cannot_read(Path(str(error).partition(": ")[0]), error)
        return ""
    return "" if found is None or found.low is None else f"{found.low:.1f} to {found.high:.1f}"
