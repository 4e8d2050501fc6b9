"""What each cell of a table says, and where it stands; shared by every form that a table is rendered to."""

from collections.abc import Sequence

from msaseg.tables.cells import MARKS, Cell, Group
from msaseg.tables.spec import RECIPE, Table


def layout(table: Table, groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """Return a table's head and lines.

    A line is a row with its columns, under one protocol after the other; in a transposed table it is a column
    with its rows. The paper's numbers come first, then ours and the difference of each.
    """
    return _transposed(table, groups) if table.transposed else _straight(table, groups)


def _straight(table: Table, groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    printed = printed_columns(table)
    head = [table.row_header, *(f"{table.columns[key]}, as printed" for key in printed)]
    for part in groups:
        for key, heading in table.columns.items():
            head.append(f"`{part.protocol.name}`: {heading}")
            head += ["difference"] if differs(table, key) else []
    lines = []
    for row, content in table.rows.items():
        cells = [content.label, *(show_paper(table.printed(row, key)) for key in printed)]
        for part in groups:
            for key in table.columns:
                cells.append(show(part.cells[row, key]))
                cells += [show_difference(part.cells[row, key])] if differs(table, key) else []
        lines.append(cells)
    return head, lines


def _transposed(table: Table, groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """The paper's column is shown once where it prints the same for every row, as for rows that are rival nets."""
    printed = {tuple(table.printed(row, key) for key in table.columns): row for row in reversed(list(table.rows))}
    sources = [row for row in table.rows if row in printed.values() and table.rows[row].paper]
    one = len(sources) == 1
    head = [table.row_header, *("As printed" if one else f"{table.rows[row].label}, as printed" for row in sources)]
    for part in groups:
        for content in table.rows.values():
            head.append(f"`{part.protocol.name}`: {content.label}")
            head += ["difference"] if content.paper and not table.texts else []
    lines = []
    for key, heading in table.columns.items():
        cells = [heading, *(show_paper(table.printed(row, key)) for row in sources)]
        for part in groups:
            for row, content in table.rows.items():
                cells.append(show(part.cells[row, key]))
                cells += [show_difference(part.cells[row, key])] if content.paper and not table.texts else []
        lines.append(cells)
    return head, lines


def show(cell: Cell) -> str:
    """Return what a cell says: mean ± sd (n), or its text, with the marks of the runs behind it."""
    return show_content(cell, f" ({cell.count})")


def show_content(cell: Cell, count: str = "") -> str:
    """Return what a cell says, with `count` behind a mean."""
    if cell.n == 0:
        return MARKS[cell.marks[0]][0]
    if cell.mean is None:
        said = f"{cell.text}{' ' + MARKS['outside'][0] if 'outside' in cell.marks else ''}"
    else:
        said = f"{cell.mean:.2f}{'' if cell.sd is None else f' ± {cell.sd:.2f}'}{count}"
    signs = "".join(MARKS[mark][0] for mark in ("stale", "dirty", "weights", "size") if mark in cell.marks)
    return f"{said}{' ' + signs if signs else ''}"


def show_difference(cell: Cell) -> str:
    """Return the text of a difference to the paper, marked if it is beyond the tolerance."""
    if cell.difference is None:
        return ""
    return f"{cell.difference:+.2f}{' ' + MARKS['outside'][0] if 'outside' in cell.marks else ''}"


def show_paper(printed: float | str | None) -> str:
    """Return what the paper prints, as it prints it."""
    if printed is None:
        return ""
    return printed if isinstance(printed, str) else f"{printed:g}"


def printed_columns(table: Table) -> list[str]:
    """Return the columns that the paper prints anything for."""
    return [key for key in table.columns if any(table.printed(row, key) is not None for row in table.rows)]


def differs(table: Table, column: str) -> bool:
    """Return whether a column has differences to the paper: it prints numbers there."""
    return not table.texts and not column.startswith(RECIPE) and column in printed_columns(table)
