"""A trained net in the hands of a Python program: pictures in, labels out."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from msaseg.classes import PALETTE
from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels, Size
from msaseg.predict import pictures
from msaseg.predict.predictor import Predictor
from msaseg.training.restore import choose_device, restore

Picture = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]
"""The path of an image file, an image of Pillow, or pixels (H, W, 3) RGB or (H, W) grey, uint8."""


class Model:
    """A trained net that segments pictures of any size; `msaseg.load` makes it.

    Args:
        checkpoint: path of a `weights.ckpt` or the name of published weights.
        device: "auto", "cpu" or "cuda"; auto takes a GPU if there is one.
        native: the net sees pictures at their own size instead of the size that it was trained on.

    Raises:
        UserError: the checkpoint or the device cannot be had.
    """

    def __init__(self, checkpoint: str | os.PathLike[str], device: str = "auto", native: bool = False) -> None:
        self._predictor = Predictor(restore(os.fspath(checkpoint), choose_device(device)), native)

    def __repr__(self) -> str:
        restored = self._predictor.restored
        return f"<{restored.name}, {len(self.classes)} classes, trained under {restored.protocol} at {self.size}>"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a label is a place in this tuple."""
        return self._predictor.restored.classes

    @property
    def palette(self) -> Pixels:
        """Colours of the classes, RGB (C, 3)."""
        return PALETTE[: len(self.classes)].copy()

    @property
    def size(self) -> Size:
        """Height and width of the images that the net was trained on."""
        return self._predictor.restored.size

    def predict(self, picture: Picture) -> Pixels:
        """Return the class of each pixel, at the picture's own size.

        Shape:
            returns: (H, W) uint8.

        Raises:
            UserError: the picture cannot be read, or is too small or large.
        """
        return self._labels(_pixels(picture), picture)

    def overlay(self, picture: Picture) -> Image.Image:
        """Return the picture with the colours of the predicted classes laid over it.

        Raises:
            UserError: as `predict`.
        """
        image = _pixels(picture)
        return Image.fromarray(pictures.overlay(image, self._labels(image, picture)))

    def _labels(self, image: Pixels, picture: Picture) -> Pixels:
        name = os.fspath(picture) if isinstance(picture, str | os.PathLike) else "the picture"
        (logits,) = self._predictor.logits([self._predictor.prepare(name, image)])
        height, width = image.shape[:2]
        return self._predictor.labels(logits, (height, width))


def _pixels(picture: Any) -> Pixels:  # noqa: ANN401 - whatever a program hands over
    if isinstance(picture, str | os.PathLike):
        return pictures.read(Path(picture))
    if isinstance(picture, Image.Image):
        pictures.check_size(picture.size, "the picture")
        return pictures.rgb(picture, "the picture")
    is_array = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.size > 0
    if is_array and (picture.ndim == 2 or picture.shape[2:] == (3,)):
        pictures.check_size(picture.shape[1::-1], "the picture")
        return np.ascontiguousarray(picture if picture.ndim == 3 else np.stack([picture] * 3, axis=-1))
    shape = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
    raise UserError(f"a picture is a path, a Pillow image, or uint8 pixels (H, W, 3) RGB or (H, W) grey, not {shape}")
