"""Score what a command line names: print the scores, and write them where wanted."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from msaseg.cli.errors import UserError
from msaseg.data.dataset import Batch
from msaseg.evaluate.augmentation import TITLES
from msaseg.evaluate.report import show
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
        _write(options.out, result)
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


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        write_whole(path, to_json(content))
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror}): give another file") from error
