"""A record's scores, held to its own confusion matrices: what a table shows is what was counted."""

from collections.abc import Mapping, Sequence
from typing import Any

TOLERANCE = 1e-3
"""Points by which a score may differ from what its matrix gives: records round to four digits."""


def disagreement(metrics: Mapping[str, Mapping[str, Any]], confusion: Mapping[str, Any]) -> str | None:
    """Return which mIoU does not follow from its part's matrix, in a few words; None if all do.

    Args:
        metrics: part name to scores, as in a record.
        confusion: part name to matrix, rows truth, columns prediction; a part without one is passed over.

    >>> disagreement({"test": {"miou_pct": 77.5}}, {"test": [[3, 1], [0, 4]]})
    >>> disagreement({"test": {"miou_pct": 87.5}}, {"test": [[3, 1], [0, 4]]})
    'miou_pct of test is 87.5, but its matrix gives 77.5'
    """
    for part, matrix in confusion.items():
        try:
            said, found = metrics[part]["miou_pct"], miou_pct(matrix)
            agree = said is found if None in (said, found) else abs(said - found) <= TOLERANCE
        except (KeyError, TypeError, IndexError, ValueError):
            return f"the matrix of {part} and its scores do not belong together"
        if not agree:
            return f"miou_pct of {part} is {said}, but its matrix gives {found if found is None else round(found, 4)}"
    return None


def miou_pct(matrix: Sequence[Sequence[int]]) -> float | None:
    """Return the mean IoU over the classes that occur in truth or prediction, in percent; None without any pixel.

    In plain Python, so that a table needs no torch; `msaseg.training.metrics.scores` is the same on tensors.
    """
    hits = [row[number] for number, row in enumerate(matrix)]
    rows, columns = map(sum, matrix), map(sum, zip(*matrix, strict=True))
    unions = [row + column - hit for row, column, hit in zip(rows, columns, hits, strict=True)]
    found = [hit / union for hit, union in zip(hits, unions, strict=True) if union]
    return 100 * sum(found) / len(found) if found else None
