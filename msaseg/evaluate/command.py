"""Score what a command line names: print the scores, and write them where wanted."""

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from msaseg.cli.errors import UserError
from msaseg.data.dataset import Batch
from msaseg.evaluate.augmentation import TITLES
from msaseg.evaluate.scored_frames import ScoredFrames, scored_frames, warning
from msaseg.evaluate.scoring import precision, score
from msaseg.records import provenance
from msaseg.records.files import check_output, to_json, write_whole
from msaseg.training.restore import Restored, choose_device, restore


def evaluate(options: Namespace) -> int:
    """Score, print, and write what was asked for.

    Raises:
        UserError: the checkpoint, the data or the output cannot be had.
    """
    if options.out is not None:
        check_output(options.out)
    restored = restore(options.checkpoint, choose_device(options.device))
    frames = scored_frames(restored, options.protocol, options.split, options.set)
    told = warning(restored, frames)
    if told is not None:
        print(f"warning: {told}", file=sys.stderr)
    result = score(restored, _batches(frames), frames.data.class_names, options.tta)
    result = _facts(restored, frames, options) | result
    height, width = result["size"]
    title = (
        f"{restored.name} ({restored.config_hash}) on {options.split} of {frames.protocol}: {len(frames.names)} frames "
        f"at {height}x{width}, computed in {result['hardware']['precision']}"
    )
    wide = Console()
    show(result, title, wide if wide.is_terminal else Console(width=100))
    if options.out is not None:
        try:
            write_whole(options.out, to_json(result))
        except OSError as error:
            raise UserError(f"--out {options.out}: cannot be written ({error.strerror}): give another file") from error
        print(options.out)
    return 0


def _batches(frames: ScoredFrames) -> Iterator[Batch]:
    loader = frames.data.eval_loader(frames.names)
    console = Console(stderr=True)
    yield from track(loader, "scoring", console=console, transient=True, disable=not console.is_terminal)


def _facts(restored: Restored, frames: ScoredFrames, options: Namespace) -> dict[str, Any]:
    data = frames.data
    return {
        "checkpoint": str(options.checkpoint),
        "checkpoint_digest": restored.digest,
        "config_hash": restored.config_hash,
        "net": restored.name,
        "trained_under": restored.protocol,
        "protocol": frames.protocol,
        "split": options.split,
        "frames": len(frames.names),
        "frames_trained_on": frames.trained,
        "size": list(data.source.size),
        "tta": TITLES[options.tta],
        "classes": list(data.class_names),
        "data": {"data_digest": data.store.digest, "split_digest": data.splits.digest()},
        "code": provenance.code_state(),
        "versions": provenance.versions(),
        "hardware": provenance.hardware(next(restored.net.parameters()).device, precision(restored)),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
