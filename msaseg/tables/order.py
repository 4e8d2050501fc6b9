"""In which order the page shows things: as the paper numbers them, then what it does not have."""

import re
from collections.abc import Iterable

from msaseg.tables.spec import Table

KINDS = {"Table": 0, "Fig": 1}


def place(title: str) -> tuple[int, int, str]:
    """Return a sort key: tables by their number, then figures by theirs, then everything else by its title.

    >>> sorted(["Leakage", "Fig. 4: accuracy", "Table 12", "Table 2: poolings"], key=place)
    ['Table 2: poolings', 'Table 12', 'Fig. 4: accuracy', 'Leakage']
    """
    found = re.match(r"(Table|Fig)\.? (\d+)\b", title)
    return (KINDS[found[1]], int(found[2]), title) if found else (len(KINDS), 0, title)


def in_order(tables: Iterable[Table]) -> list[Table]:
    """Return tables in the order of the paper."""
    return sorted(tables, key=lambda table: (place(table.title), table.id))
