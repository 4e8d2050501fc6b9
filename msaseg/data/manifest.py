"""The digests of decoded pixels: what says that two copies of the data are the same."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msaseg.cli.errors import UserError

MANIFEST = Path(__file__).with_name("manifest.tsv")


class Row(NamedTuple):
    """One frame: split, name, and the pixel digests of its image (RGB) and of its label, at full size."""

    split: str
    name: str
    image: str
    label: str


def pixel_digest(pixels: NDArray[np.uint8]) -> str:
    """First 16 hex digits of the sha256 of the pixel bytes, row by row."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()[:16]


def digest(rows: Iterable[Row]) -> str:
    """One sha256 for a whole data set: of its rows, sorted, so that the order of files does not matter.

    A record whose data digest equals that of the shipped manifest was made from the real CamVid.
    """
    return hashlib.sha256("\n".join(sorted("\t".join(row) for row in rows)).encode()).hexdigest()


def read_manifest(path: Path = MANIFEST) -> tuple[Row, ...]:
    """Read a manifest: tab-separated rows, comment lines start with #.

    Raises:
        UserError: a line has another number of columns.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 4:
            raise UserError(f"{path}:{number}: 4 columns expected, {len(fields)} found: restore the file")
        rows.append(Row(*fields))
    return tuple(rows)
