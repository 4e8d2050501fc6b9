"""Score a checkpoint: `python -m msaseg.evaluate checkpoint=FILE [protocol=NAME] [part=test] [tta=none] ...`."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from rich.console import Console
from rich.progress import track

from msaseg.cli.errors import UserError
from msaseg.cli.keywords import parse
from msaseg.cli.mistakes import explain
from msaseg.data.dataset import Batch
from msaseg.evaluate.augmentation import TITLES
from msaseg.evaluate.frames import Asked, asked, warning
from msaseg.evaluate.report import show
from msaseg.evaluate.scoring import precision, score
from msaseg.records import provenance
from msaseg.records.files import to_json
from msaseg.training.restore import Restored, choose_device, restore

COMMAND = "python -m msaseg.evaluate"


@dataclass(frozen=True)
class Options:
    """Score a checkpoint on the frames of a protocol, at the labels' own size, in the precision of its training.

    Words with a dot are passed on to the protocol: paths.data=/path, protocol.size=[120,160].
    """

    checkpoint: Annotated[Path, "weights.ckpt that a run left"]
    protocol: Annotated[str | None, "whose frames, classes and input size; default: the checkpoint's own"] = None
    part: Annotated[Literal["test", "val"], "part of its split"] = "test"
    tta: Annotated[Literal["none", "flip", "multiscale"], "test-time augmentation"] = "none"
    output: Annotated[Path | None, "JSON file to write"] = None
    device: Annotated[Literal["auto", "cpu", "cuda"], "where to compute"] = "auto"


def main(words: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 2 for a mistake of the user."""
    words = sys.argv[1:] if words is None else words
    dotted = [word for word in words if "=" in word and "." in word.partition("=")[0]]
    try:
        options = parse([word for word in words if word not in dotted], Options, COMMAND)
        return evaluate(options, dotted)
    except Exception as error:
        message = explain(error, words)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 2


def evaluate(options: Options, overrides: list[str]) -> int:
    """Score, print, and write what was asked for.

    Raises:
        UserError: the checkpoint, the data or the output cannot be had.
    """
    if options.output is not None and not options.output.parent.is_dir():
        raise UserError(f"output={options.output}: no such folder: make it first")
    if options.output is not None and options.output.is_dir():
        raise UserError(f"output={options.output}: a folder: give a file in it")
    restored = restore(options.checkpoint, choose_device(options.device))
    frames = asked(restored, options.protocol, options.part, overrides)
    told = warning(restored, frames)
    if told is not None:
        print(f"warning: {told}", file=sys.stderr)
    result = score(restored, _batches(frames), frames.data.class_names, options.tta)
    result = _facts(restored, frames, options) | result
    height, width = result["size"]
    title = (
        f"{restored.name} ({restored.config_hash}) on {options.part} of {frames.protocol}: {len(frames.names)} frames "
        f"at {height}x{width}, computed in {result['hardware']['precision']}"
    )
    wide = Console()
    show(result, title, wide if wide.is_terminal else Console(width=100))
    if options.output is not None:
        _write(options.output, result)
        print(options.output)
    return 0


def _batches(frames: Asked) -> Iterator[Batch]:
    loader = frames.data.eval_loader(frames.names)
    console = Console(stderr=True)
    yield from track(loader, "scoring", console=console, transient=True, disable=not console.is_terminal)


def _facts(restored: Restored, frames: Asked, options: Options) -> dict[str, Any]:
    data = frames.data
    return {
        "checkpoint": str(options.checkpoint),
        "checkpoint_digest": restored.digest,
        "config_hash": restored.config_hash,
        "net": restored.name,
        "trained_under": restored.protocol,
        "protocol": frames.protocol,
        "part": options.part,
        "frames": len(frames.names),
        "frames_trained_on": frames.trained,
        "size": list(data.source.size),
        "tta": TITLES[options.tta],
        "classes": list(data.class_names),
        "data": {"data_digest": data.data_digest, "split_digest": data.split_digest},
        "code": provenance.code_state(),
        "versions": provenance.versions(),
        "hardware": provenance.hardware(next(restored.net.parameters()).device, precision(restored)),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(to_json(content), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"output={path}: cannot be written ({error.strerror}): give another file") from error


if __name__ == "__main__":
    sys.exit(main())
