"""Generated parts of pages that people also write in: each stands between two markers of its name."""

from pathlib import Path

from msaseg.cli.errors import UserError


def markers(name: str) -> tuple[str, str]:
    """Return the lines between which a part stands."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def with_part(text: str, name: str, content: str, file: Path) -> str:
    """Return a page with what stands between the markers of a name replaced.

    Raises:
        UserError: the two markers are not there once each, in order.
    """
    first, last = markers(name)
    head, begin, rest = text.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end or first in rest or last in head + tail:
        raise UserError(f"{file}: the lines {first} and {last} must be there, once each: put them back")
    return f"{head}{begin}\n\n{content.strip()}\n\n{end}{tail}"
