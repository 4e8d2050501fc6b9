"""The page that shows what was measured, and its record."""

from typing import Any

from msaseg.benchmark.overhead.measurement import Measurement
from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.tables.markers import with_part

RECORD = ROOT / "experiments" / "benchmarks" / "overhead.json"
PAGE = ROOT / "docs" / "benchmarks.md"
MARKED = "overhead"
"""Name of the generated part of the page."""


def line(measured: dict[str, Any]) -> str:
    """Return one measurement of the record as a row of the page's table."""
    one = Measurement(**measured)
    values = f"{one.result:.4g} {one.unit} ({min(one.values):.4g} to {max(one.values):.4g}, n={len(one.values)})"
    absolute = ", ".join(f"{name} {value:g}" for name, value in one.absolute.items())
    met = "" if one.limit is None else "yes" if one.met else "**no**"
    return f"| {one.what} | {values} | {one.required} | {met} | {absolute} |"


def page_part(record: dict[str, Any]) -> str:
    """Return what the page says of a record: where and of what it was measured, then the table and what it lacks."""
    code, hardware, versions = record["code"], record["hardware"], record["versions"]
    state = " **with uncommitted changes**" if code["dirty"] else ""
    return "\n".join(
        [
            f"Measured {record['finished']} on {hardware['device']} ({hardware['cores']} cores,"
            f" {hardware['threads']} threads, {hardware['precision']}), torch {versions['torch']},"
            f" pytorch-lightning {versions['pytorch-lightning']}, commit {(code['commit'] or 'unknown')[:10]}{state}.",
            "",
            "| what | result (lowest to highest) | required | met | absolute |",
            "|---|---|---|---|---|",
            *(line(measured) for measured in record["measurements"]),
            *(f"\nLeft out: {what}." for what in record["left_out"]),
        ]
    )


def page_of(part: str) -> str:
    """Return the page with its generated part replaced."""
    try:
        return with_part(PAGE.read_text(encoding="utf-8"), MARKED, part, PAGE)
    except FileNotFoundError:
        raise UserError(f"{PAGE}: no such file: restore it with `git checkout -- {PAGE}`") from None
