"""A table under one protocol for the terminal: four narrow columns, what they stand for below them."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from msaseg.tables.cells import MARKS, Cell, Group
from msaseg.tables.layout import show_content, show_difference, show_paper
from msaseg.tables.spec import Table
from msaseg.tables.speeds import SPEED

HEAD = ("paper", "ours", "difference")
Section = tuple[str, list[tuple[str, Cell]]]
"""A heading, and the label and cell of each line below it."""


def print_summary(table: Table, part: Group, console: Console | None = None) -> None:
    """Print a table's cells under one protocol; the label alone is folded where the terminal is narrow."""
    console = console or Console()
    parts = sections(table, part)
    only = f" — {parts[0][0]}" if len(parts) == 1 else ""
    console.print(Text(f"\n{table.title}{only} — protocol {part.protocol.name}", style="bold"))
    grid = Grid()
    grid.add_column(table.row_header, overflow="fold")
    for heading in HEAD:
        grid.add_column(heading, justify="right", no_wrap=True)
    for heading, lines in parts:
        if not only:
            grid.add_row(Text(heading, style="bold"))
        for label, cell in lines:
            grid.add_row(Text(label), show_paper(cell.paper), show_content(cell), show_difference(cell))
        grid.add_section()
    console.print(grid)
    for line in footnotes(table, part):
        console.print(f"  {line}", style="dim", highlight=False)


def sections(table: Table, part: Group) -> list[Section]:
    """Return the lines below each column's heading; in a transposed table those below each row's."""
    rows = {row: content.label for row, content in table.rows.items()}
    if table.transposed:
        return [
            (label, [(heading, part.cells[row, key]) for key, heading in table.columns.items()])
            for row, label in rows.items()
        ]
    return [
        (heading, [(label, part.cells[row, key]) for row, label in rows.items()])
        for key, heading in table.columns.items()
    ]


def footnotes(table: Table, part: Group) -> list[str]:
    """Return how many seeds the numbers are means of, and a line for each mark that is used."""
    used = {mark for cell in part.cells.values() for mark in cell.marks} - {"fewer"}
    marks = [f"{sign}: {meaning}." for mark, (sign, meaning) in MARKS.items() if mark in used]
    return [*([] if table.texts else _seeds(table, part)), *marks]


def _seeds(table: Table, part: Group) -> Iterator[str]:
    rows: dict[tuple[int, int], list[str]] = {}
    for row, content in table.rows.items():
        cells = [cell for (of, key), cell in part.cells.items() if of == row and not key.startswith(SPEED)]
        count = max(((cell.n, cell.asked) for cell in cells), default=(0, 0))
        if count[0]:
            rows.setdefault(count, []).append(content.label)
    for (n, asked), labels in sorted(rows.items(), reverse=True):
        which = "" if len(rows) == 1 else f": {'; '.join(labels)}"
        yield f"n = {n}{f' of {asked}' if n < asked else ''} seed{'s' if max(n, asked) > 1 else ''}{which}."
