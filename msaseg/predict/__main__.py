"""Segment images: `python -m msaseg.predict checkpoint=FILE input=IMAGE|FOLDER|VIDEO output=FOLDER ...`."""

import json
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
from rich.console import Console
from rich.progress import Progress

from msaseg.classes import PALETTE
from msaseg.cli.errors import UserError
from msaseg.cli.keywords import parse
from msaseg.predict.film import FILMS, Film, predict_film
from msaseg.predict.folder import images, predict_images, unfinished
from msaseg.predict.pictures import IMAGES, replace
from msaseg.predict.pipeline import Item
from msaseg.predict.predictor import Predictor
from msaseg.training.restore import Restored, choose_device, restore

COMMAND = "python -m msaseg.predict"
Tell = Callable[[str | None], None]


@dataclass(frozen=True)
class Options:
    """Segment an image, the images of a folder, or a film.

    An image gets index/NAME.png (classes 0 to 11 in SegNet's order), overlay/NAME.jpg and side_by_side/NAME.jpg, all
    at its own size; a film gets NAME_overlay.mp4 and NAME_side_by_side.mp4. Finished images of a folder are passed
    over, so that a command that was broken off is repeated to go on. Status 1: something could not be read, and was
    named and skipped.
    """

    checkpoint: Annotated[Path, "weights.ckpt that a run left"]
    input: Annotated[Path, "image, folder of images, or film"]
    output: Annotated[Path, "folder"]
    size: Annotated[Literal["net", "native"], "what the net sees: its training size, or the image's own"] = "net"
    batch: Annotated[int, "images at once; those of one size share a batch"] = 8
    indices: Annotated[bool, "of a film: write index/NAME_000001.png and so on, too"] = False
    bench: Annotated[bool, "time the bare network afterwards, and compare"] = False
    device: Annotated[Literal["auto", "cpu", "cuda"], "where to compute"] = "auto"


def main(words: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 if something was skipped, 2 for a mistake of the user."""
    try:
        return predict(parse(sys.argv[1:] if words is None else words, Options, COMMAND))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("broken off: the same command goes on", file=sys.stderr)
        return 130


def predict(options: Options) -> int:
    """Predict what the options name.

    Returns:
        0, or 1 if something could not be read.

    Raises:
        UserError: the checkpoint, the input or the output cannot be used.
    """
    is_film = options.input.suffix.lower() in FILMS and not options.input.is_dir()
    if not options.input.exists():
        raise UserError(f"input={options.input}: no such file or folder")
    if not (is_film or options.input.is_dir() or options.input.suffix.lower() in IMAGES):
        raise UserError(f"input={options.input}: neither image nor film: known are {', '.join(IMAGES + FILMS)}")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of oddities in files that are read all the same
    cv2.setNumThreads(1)  # several threads decode already
    restored = restore(options.checkpoint, choose_device(options.device))
    predictor = Predictor(restored, options.size == "native")
    return _film(options, predictor) if is_film else _images(options, predictor)


def _images(options: Options, predictor: Predictor) -> int:
    due = paths = images(options.input)
    _claim(options, predictor.restored)
    if options.input.is_dir():
        due = unfinished(paths, options.output)
    if len(due) < len(paths):
        print(f"{len(paths) - len(due)} of {len(paths)} images finished before")
    if not due:
        return 0
    return _timed(
        len(due),
        "images",
        options,
        predictor,
        lambda tell: predict_images(due, options.output, predictor, options.batch, tell),
    )


def _film(options: Options, predictor: Predictor) -> int:
    film = Film(options.input)
    _claim(options, predictor.restored)
    return _timed(
        max(film.frames, 0),
        "frames",
        options,
        predictor,
        lambda tell: predict_film(film, options.output, predictor, options.batch, options.indices, tell),
    )


def _timed(total: int, what: str, options: Options, predictor: Predictor, run: Callable[[Tell], Item | None]) -> int:
    """Run with a progress bar; say what was done, how fast, and what was skipped."""
    console = Console(stderr=True, soft_wrap=True, emoji=False)
    done = skipped = 0
    lock = threading.Lock()  # writers tell from their threads
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total or None)

        def tell(fault: str | None) -> None:
            nonlocal done, skipped
            with lock:
                done, skipped = done + (fault is None), skipped + (fault is not None)
            progress.advance(task)
            if fault is not None:
                console.print(f"skipped: {fault}", markup=False, highlight=False)

        started = time.perf_counter()
        item = run(tell)
        seconds = time.perf_counter() - started
    left_out = f", {skipped} skipped" if skipped else ""
    print(f"{done} {what} in {seconds:.1f} s ({done / seconds:.1f} a second){left_out}: {options.output}")
    if options.bench and item is not None:
        bare = predictor.bare_rate([item.prepared] * options.batch)
        print(f"{done / seconds / bare:.2f} of the bare network's {bare:.1f} a second, in batches of {options.batch}")
    return 1 if skipped else 0


def _claim(options: Options, restored: Restored) -> None:
    """Say in the output folder which net fills it from where; refuse a folder that another pair filled."""
    path = options.output / "predict.json"
    folder = options.input if options.input.is_dir() else options.input.parent
    facts = {
        "input": str(folder.resolve()),
        "checkpoint": restored.digest,
        "config_hash": restored.config_hash,
        "net": restored.name,
        "size": options.size if options.size == "native" else list(restored.size),
        "classes": dict(zip(restored.classes, PALETTE.tolist(), strict=False)),
    }
    if path.is_file():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            other = [key for key, value in facts.items() if known.get(key) != value]
        except (ValueError, AttributeError):
            other = ["predict.json"]
        if other:
            raise UserError(f"output={options.output}: filled before with another {other[0]}: give another folder")
    replace(path, (json.dumps(facts, indent=1) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
