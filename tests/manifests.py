"""A manifest of a small tree."""

from collections.abc import Iterable
from pathlib import Path

from msaseg.data.manifest import Row


def write_manifest(path: Path, rows: Iterable[Row], comment: str) -> None:
    """Write rows in order under one comment line."""
    lines = [f"# {comment}", *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
