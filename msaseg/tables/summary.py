"""A table under one protocol for the terminal: four narrow columns, what they stand for below them."""

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from msaseg.tables.cells import Cell, FilledTable
from msaseg.tables.layout import difference, legend, ours, show_paper

HEAD = ("paper", "ours", "difference")
Section = tuple[str, list[tuple[str, Cell]]]
"""A heading, and the label and cell of each line below it."""


def print_summary(filled: FilledTable, console: Console | None = None) -> None:
    """Print a table's cells under one protocol; the label alone is folded where the terminal is narrow."""
    console, table = console or Console(), filled.table
    parts = sections(filled)
    only = f" — {parts[0][0]}" if len(parts) == 1 else ""
    console.print(Text(f"\n{table.title}{only} — protocol {filled.protocol.name}", style="bold"))
    grid = Grid()
    grid.add_column(table.row_header, overflow="fold")
    for heading in HEAD if filled.is_the_papers else HEAD[:-1]:
        grid.add_column(heading, justify="right", no_wrap=True)
    for heading, lines in parts:
        if not only:
            grid.add_row(Text(heading, style="bold"))
        for label, cell in lines:
            entries = [ours(cell, filled), *([difference(cell)] if filled.is_the_papers else [])]
            grid.add_row(Text(label), show_paper(cell.paper), *map(str, entries))
        grid.add_section()
    console.print(grid)
    for line in legend(filled):
        console.print(f"  {line}", style="dim", highlight=False)


def sections(filled: FilledTable) -> list[Section]:
    """Return the lines below each column's heading; in a transposed table those below each row's."""
    table = filled.table
    rows = {row: content.label for row, content in table.rows.items()}
    if table.transposed:
        return [
            (label, [(heading, filled.cells[row, key]) for key, heading in table.columns.items()])
            for row, label in rows.items()
        ]
    return [
        (heading, [(label, filled.cells[row, key]) for row, label in rows.items()])
        for key, heading in table.columns.items()
    ]
