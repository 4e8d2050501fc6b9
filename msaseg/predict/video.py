"""Predict a video: overlay and side by side as videos of the same speed, and its label maps if they are wanted."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels
from msaseg.predict.pictures import labels_png, overlay, replace, side_by_side, with_legend
from msaseg.predict.pipeline import Item, ahead, predict_all
from msaseg.predict.predictor import Predictor

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


class Video:
    """An open video file.

    Args:
        path: of the file.

    Raises:
        UserError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong is said here, in one line
        self.path = path
        self.capture = cv2.VideoCapture(_name(path))
        self.rate = float(self.capture.get(cv2.CAP_PROP_FPS))
        self.frames = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))  # as the header says; 0 or less: unknown
        if not self.capture.isOpened() or not self.rate > 0:
            raise UserError(f"{path}: cut off, or no video that OpenCV can read: copy it anew, or convert it to MP4")

    def read(self) -> Pixels | None:
        """Return the next frame, RGB, or None after the last."""
        there, frame = self.capture.read()
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8) if there else None


class VideoFile:
    """A video that is being written; it gets its name when it is complete.

    OpenCV cuts the last row or column of an odd size off.

    Args:
        path: of the finished file, MP4.
        rate: frames a second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self.part = path.with_name(f".{os.getpid()}.{id(self):x}.part.mp4")  # its own may be as long as names can be
        self.frames = 0
        self.writer: cv2.VideoWriter | None = None

    def __enter__(self) -> "VideoFile":
        return self

    def add(self, image: Pixels) -> None:
        """Append an RGB frame.

        Raises:
            UserError: the file cannot be written.
        """
        if self.writer is None:
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self.writer = cv2.VideoWriter(_name(self.part), codec, self.rate, image.shape[1::-1])
        if not self.writer.isOpened():
            raise UserError(f"{self.path}: cannot be written: give another output")
        self.writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.writer is not None:
            self.writer.release()
        try:
            if kind is None and self.frames > 0:
                self._finish()
        finally:
            self.part.unlink(missing_ok=True)

    def _finish(self) -> None:
        """Look at the file before it gets its name: a full disk is no error for OpenCV."""
        written = cv2.VideoCapture(_name(self.part))
        frames = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        if frames != self.frames:
            raise UserError(f"{self.path}: could not be written whole: make room, or give another output")
        try:
            os.replace(self.part, self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}): rename the video") from error


def predict_video(
    video: Video, output: Path, predictor: Predictor, batch: int, labels: bool, tell: Callable[[str | None], None]
) -> Item | None:
    """Predict each frame of a video.

    Args:
        video: opened.
        output: folder that exists.
        predictor: the net.
        batch: frames at once, at most.
        labels: whether `labels/VIDEO_000001.png` and so on are written too.
        tell: called after each frame with None, and with what is wrong if frames are missing at the end.

    Returns:
        One of the items, or None if no frame could be read.
    """
    last: Item | None = None
    count = 0

    def frames() -> Iterator[Item]:
        nonlocal last, count
        for result in ahead(lambda number: _next(video, predictor, number), itertools.count(1), 1, batch + 1):
            item = result.result()
            if item is None:
                return
            last, count = item, count + 1
            yield item

    stem = video.path.stem
    with (
        VideoFile(output / f"{stem}_overlay.mp4", video.rate) as overlays,
        VideoFile(output / f"{stem}_side_by_side.mp4", video.rate) as pairs,
    ):

        def write(item: Item, predicted: Pixels) -> None:
            if labels:
                replace(output / "labels" / f"{item.name}.png", labels_png(predicted))
            overlays.add(with_legend(overlay(item.image, predicted)))
            pairs.add(with_legend(side_by_side(item.image, predicted)))
            tell(None)

        predict_all(frames(), predictor, batch, write, writers=1)
    if count == 0 or count < video.frames:
        tell(f"{video.path}: only {count} of {video.frames} frames could be read: the file may be cut off")
    return last


def _name(path: Path) -> str:
    """Return a path as OpenCV takes it: one that is no UTF-8 ends the process there."""
    try:
        return str(path.absolute()).encode().decode()  # `cam:1.mp4` alone would be a protocol
    except UnicodeEncodeError as error:
        raise UserError(f"{path}: OpenCV cannot open a path that is no UTF-8: rename it") from error


def _next(video: Video, predictor: Predictor, number: int) -> Item | None:
    image = video.read()
    if image is None:
        return None
    return Item(f"{video.path.stem}_{number:06d}", image, predictor.prepare(video.path, image))
