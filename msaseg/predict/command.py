"""Predict what a command line names, with a progress bar and a summary."""

import json
import threading
import time
import warnings
from argparse import Namespace
from collections.abc import Callable
from functools import partial

import cv2
from rich.console import Console
from rich.progress import Progress

from msaseg.classes import PALETTE
from msaseg.cli.command import printable
from msaseg.cli.errors import UserError
from msaseg.cli.stopping import goes_on_from
from msaseg.predict.folder import images, predict_images
from msaseg.predict.pictures import IMAGES, finished, replace
from msaseg.predict.pipeline import Item
from msaseg.predict.predictor import MOST_SEEN, Predictor
from msaseg.predict.video import VIDEOS, Video, predict_video
from msaseg.training.restore import Restored, choose_device, restore

Tell = Callable[[str | None], None]


def predict(options: Namespace) -> int:
    """Predict what the options name.

    Returns:
        0, or 1 if something could not be read.

    Raises:
        UserError: the checkpoint, the input or the output cannot be used.
    """
    source, suffix = options.input, options.input.suffix.lower()
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    if not (source.is_dir() or source.is_file()):
        raise UserError(f"{source}: neither a file nor a folder, but a pipe or device: copy what it gives to a file")
    if not source.is_dir() and suffix not in IMAGES + VIDEOS:
        raise UserError(f"{source}: neither image nor video: known are {', '.join(IMAGES + VIDEOS)}")
    goes_on_from(lambda: "here" if source.is_dir() else "the start")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of oddities in files that are read all the same
    cv2.setNumThreads(1)  # several threads decode already
    restored = restore(options.checkpoint, choose_device(options.device))
    predictor = Predictor(restored, options.size == "native")
    is_video = source.is_file() and suffix in VIDEOS
    return _video(options, predictor) if is_video else _images(options, predictor)


def _images(options: Namespace, predictor: Predictor) -> int:
    due = paths = images(options.input)
    _claim(options, predictor.restored)
    if options.input.is_dir():
        due = [path for path in paths if not finished(options.out, path)]
    if len(due) < len(paths):
        print(f"{len(paths) - len(due)} of {len(paths)} images finished before")
    if not due:
        return 0
    work = partial(predict_images, due, options.out, predictor, options.batch)
    return _timed(len(due), "images", options, predictor, work)


def _video(options: Namespace, predictor: Predictor) -> int:
    video = Video(options.input)
    _claim(options, predictor.restored)
    work = partial(predict_video, video, options.out, predictor, options.batch, options.labels)
    return _timed(max(video.frames, 0), "frames", options, predictor, work)


def _timed(total: int, what: str, options: Namespace, predictor: Predictor, run: Callable[[Tell], Item | None]) -> int:
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
                console.print(f"skipped: {printable(fault)}", markup=False, highlight=False)

        started = time.perf_counter()
        item = run(tell)
        seconds = time.perf_counter() - started
    left_out = f", {skipped} skipped" if skipped else ""
    print(f"{done} {what} in {seconds:.1f} s ({done / seconds:.1f} a second){left_out}: {printable(str(options.out))}")
    if options.bench and item is not None:
        height, width = item.prepared.shape[:2]
        batch = max(1, min(options.batch, MOST_SEEN // (height * width)))
        bare = predictor.bare_rate([item.prepared] * batch)
        print(f"{done / seconds / bare:.2f} of the bare network's {bare:.1f} a second, in batches of {batch}")
    return 1 if skipped else 0


def _claim(options: Namespace, restored: Restored) -> None:
    """Say in the output folder which net fills it from where; refuse a folder that another pair filled."""
    path = options.out / "predict.json"
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
            raise UserError(f"{options.out}: filled before with another {other[0]}: give another folder")
    replace(path, (json.dumps(facts, indent=1) + "\n").encode())
