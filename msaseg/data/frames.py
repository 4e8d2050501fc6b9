"""One frame: an image file and a label file, read, checked and resized."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from msaseg.cli.errors import UserError
from msaseg.data.manifest import Row, digest, pixel_digest

Pixels = NDArray[np.uint8]
Size = tuple[int, int]


class Frame(NamedTuple):
    """A labelled frame on disk; `id` is "split/name", e.g. "train/0001TP_006690"."""

    id: str
    image: Path
    label: Path


class Decoded(NamedTuple):
    """A frame at the input size, its label at full size, and the digests of its full-size pixels."""

    image: Pixels  # (h, w, 3) RGB
    label: Pixels  # (h, w)
    full_label: Pixels  # (H, W)
    row: Row


def _open(path: Path, mode: str | None) -> Pixels:
    try:
        with Image.open(path) as image:
            if mode is None and image.mode not in ("L", "P"):
                raise UserError(
                    f"{path}: a label must hold class indices (8-bit grey or palette), not mode {image.mode}:"
                    " convert its colours to indices"
                )
            if image.mode[0] in "IF" or ";16" in str(image.tile):  # Pillow cuts them to 8 bits without a word
                raise UserError(f"{path}: more than 8 bits a colour (mode {image.mode}): convert it to 8-bit RGB")
            return np.asarray(image if mode is None else image.convert(mode), dtype=np.uint8)
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be decoded ({reason}): replace the file") from error


def read(frame: Frame, values: int) -> tuple[Pixels, Pixels]:
    """Decode both files of a frame at full size.

    Pillow reads them because it refuses a truncated PNG, of which OpenCV returns the part it has.

    Shape:
        returns: image (H, W, 3) RGB and label (H, W).

    Args:
        frame: the files.
        values: labels must be below this.

    Raises:
        UserError: a file cannot be decoded, the sizes differ, or a label value is out of range.
    """
    image, label = _open(frame.image, "RGB"), _open(frame.label, None)
    if label.shape != image.shape[:2]:
        (label_h, label_w), (image_h, image_w) = label.shape, image.shape[:2]
        raise UserError(
            f"{frame.label}: {label_h}x{label_w} pixels (h x w), but its frame {frame.image.name} is"
            f" {image_h}x{image_w}: give both the same size"
        )
    if label.max(initial=0) >= values:
        raise UserError(
            f"{frame.label}: label value {label.max()} is outside 0..{values - 1}: use SegNet's class indices"
        )
    return image, label


def resize_image(image: Pixels, size: Size) -> Pixels:
    """Stretch to (h, w): by pixel areas when shrinking, else bilinearly."""
    if image.shape[:2] == size:
        return image
    shrinks = size[0] <= image.shape[0] and size[1] <= image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=how), dtype=np.uint8)


def resize_label(label: Pixels, size: Size) -> Pixels:
    """Stretch to (h, w), each pixel the class of the nearest one."""
    if label.shape == size:
        return label
    return np.asarray(cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)


def row_of(frame: str, image: Pixels, label: Pixels) -> Row:
    """The manifest's line for the frame of this id with these full-size pixels."""
    split, name = frame.split("/", 1)
    return Row(split, name, pixel_digest(image), pixel_digest(label))


def decode(frame: Frame, size: Size, values: int) -> Decoded:
    """Read a frame and bring it to the input size; the cache is built of these."""
    image, label = read(frame, values)
    row = row_of(frame.id, image, label)
    return Decoded(resize_image(image, size), resize_label(label, size), label, row)


class DecodedFrames:
    """A store without a cache: decodes the files of a frame each time it is asked for.

    Args:
        frames: what to serve.
        size: (h, w) of images and training labels.
        values: labels must be below this.
    """

    def __init__(self, frames: Sequence[Frame], size: Size, values: int) -> None:
        self.frames, self.size, self.values = tuple(frames), size, values
        self.names = tuple(frame.id for frame in frames)

    @cached_property
    def digest(self) -> str:
        """Digest of all full-size pixels."""
        return digest([row_of(frame.id, *read(frame, self.values)) for frame in self.frames])

    def sample(self, index: int, *, full_label: bool) -> tuple[Pixels, Pixels]:
        """Image at the input size; label at the input size, or at its own with `full_label`."""
        image, label = read(self.frames[index], self.values)
        return resize_image(image, self.size), label if full_label else resize_label(label, self.size)
