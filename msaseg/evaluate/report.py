"""The scores on a terminal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


def show(result: dict[str, Any], title: str, console: Console) -> None:
    """Print the scores beside the augmentation that they were reached with, a line a class, and the confusion matrix.

    Args:
        result: what `scoring.score` returned, with its `classes` and `tta`.
        title: says what was scored and how.
        console: where to.
    """
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    named = {"mIoU": "miou_pct", "class accuracy": "class_accuracy_pct", "pixel accuracy": "pixel_accuracy_pct"}
    named["boundary F-score"] = "boundary_f_pct"
    numbers = ", ".join(f"{name} {_number(result[key])} %" for name, key in named.items())
    tolerance = f"within {100 * result['boundary_tolerance']:g} % of the diagonal"
    console.print(f"{numbers} ({tolerance}); {result['tta']}", markup=False, highlight=False, soft_wrap=True)
    console.print(_classes(result))
    console.print(_confusion(np.array(result["confusion"]), result["classes"]))


def _classes(result: dict[str, Any]) -> Table:
    table = Table(title="Each class, in %", title_justify="left", box=SIMPLE)
    table.add_column("class")
    columns = {"IoU": "iou_pct", "recall": "recall_pct", "boundary F": "boundary_f_class_pct"}
    for name in (*columns, "of all pixels"):
        table.add_column(name, justify="right")
    counts = np.array(result["confusion"], float)
    shares = 100 * counts.sum(1) / max(counts.sum(), 1)
    for name, share in zip(result["classes"], shares, strict=True):
        table.add_row(name, *(_number(result[key][name]) for key in columns.values()), _number(share))
    return table


def _confusion(counts: np.ndarray[Any, Any], classes: Sequence[str]) -> Table:
    """Rows are the truth: of a class's pixels, how many per cent were called what."""
    table = Table(
        title="Confusion: truth down, prediction across, % of the truth", title_justify="left", padding=(0, 0)
    )
    table.add_column("")
    for name in classes:
        table.add_column(f" {name[:3]}", justify="right")
    for name, row in zip(classes, counts, strict=True):
        total = row.sum()
        table.add_row(name, *(f"{100 * value / total:.0f}" if total else "-" for value in row))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
