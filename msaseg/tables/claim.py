"""What the paper claims of a table, and what would show it; declared in the table's experiment file."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What shows a claim."""

    ORDER = "order"
    """The first of two rows is above the second."""
    TREND = "trend"
    """The rows rise in this order: the change along the line that fits them best."""
    LEVEL = "level"
    """A row reaches a number."""
    COUNT = "count"
    """Every row of a column is what the paper prints, within the table's tolerance."""
    RANKING = "ranking"
    """The rows of a column stand in the paper's order."""
    SPEED = "speed"
    """A row reaches so many frames a second."""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Args:
        id: its key in the experiment file.
        says: the paper's own words, or what its table prints.
        page: of the paper.
        kind: what shows it.
        column: of the table, that the claim is about.
        rows: two for an order, all in turn for a trend, one for a level and a speed, none for the others.
        number: that a level or a speed reaches; None for the others.
        implied: whether the paper implies it, by its title or its design, and does not state it.
    """

    id: str
    says: str
    page: int
    kind: Kind
    column: str
    rows: tuple[str, ...] = ()
    number: float | None = None
    implied: bool = False


def read_claim(key: str, content: object, rows: Mapping[str, Any], columns: Mapping[str, Any]) -> Claim:
    """Return the claim that stands under `table.claims.<key>`.

    Raises:
        ValueError: names the key and what is wrong.
    """
    name = f"table.claims.{key}"
    if not isinstance(content, dict):
        raise ValueError(f"{name} must be a mapping with `says`, `page` and one of {', '.join(Kind)}")
    kinds = [kind for kind in Kind if kind in content]
    surplus = content.keys() - {"says", "page", "column", "implied", *kinds}
    if len(kinds) != 1 or surplus or not isinstance(content.get("page"), int) or not content.get("says"):
        raise ValueError(
            f"{name} must have `says`, `page`, one of {', '.join(Kind)}, perhaps `column` or `implied`, "
            "and nothing else"
        )
    (kind,) = kinds
    shown, number = content[kind], None
    column = str(content.get("column", "speed.cuda.fps" if kind is Kind.SPEED else "miou_pct"))
    if kind in (Kind.COUNT, Kind.RANKING):
        column, chosen = str(shown), []
    elif kind in (Kind.LEVEL, Kind.SPEED):
        if not isinstance(shown, dict) or len(shown) != 1 or not isinstance(next(iter(shown.values())), int | float):
            raise ValueError(f"{name}.{kind} must be one row and its number")
        chosen, number = [str(row) for row in shown], float(next(iter(shown.values())))
    else:
        if not isinstance(shown, list) or len(shown) < 2 or (kind is Kind.ORDER and len(shown) != 2):
            raise ValueError(f"{name}.{kind} must be a list of {'two' if kind is Kind.ORDER else 'two or more'} rows")
        chosen = [str(row) for row in shown]
    for row in chosen:
        if row not in rows:
            raise ValueError(f"{name}.{kind}: there is no row {row!r}: use one of {', '.join(rows)}")
    if column not in columns:
        raise ValueError(f"{name}: there is no column {column!r}: use one of {', '.join(columns)}")
    if column.startswith("speed.") and not column.endswith((".fps", ".ratio")):
        raise ValueError(f"{name}: {column} has no range of timed calls: claim a speed.*.fps or speed.*.ratio")
    says, implied = " ".join(str(content["says"]).split()), bool(content.get("implied", False))
    return Claim(key, says, content["page"], kind, column, tuple(chosen), number, implied)
