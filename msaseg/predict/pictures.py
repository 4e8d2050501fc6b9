"""Images in, pictures out: what is read, and the three files that are written for each image."""

import errno
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from msaseg.classes import CLASSES, PALETTE
from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels
from msaseg.records.files import write_whole

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FILES = {"labels": ".png", "overlay": ".jpg", "side_by_side": ".jpg"}
"""Folder and suffix of each kind of file."""
LONGEST = 32_750
"""Pixels of an image's side: a JPEG holds 65500, and two images stand side by side."""
LARGEST = 1 << 26
"""Pixels of an image: its pictures take about 20 bytes for each while they are made."""
FOLDERS_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""Why no file can be written, and not this one alone."""
OPACITY = 0.5
"""Of the classes' colours over the image."""
_COLOURS = np.zeros((1, 256, 3), np.uint8)
_COLOURS[0, : len(PALETTE)] = PALETTE
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)  # label maps are tiny at any level, and 1 is ten times as fast as 9
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 92)


class OneFileError(UserError):
    """This file cannot be written; others beside it may."""


def read(path: Path) -> Pixels:
    """Decode an image as RGB (H, W, 3), turned upright as its camera noted; transparency is dropped.

    Of 16 bits a colour the upper 8 are taken.

    Raises:
        UserError: the file is no image, cut off, too large, or of a kind that is not predicted.
    """
    if not path.is_file():
        raise UserError(f"{path}: no file" + (" but a pipe, folder or device" if path.exists() else " of this name"))
    try:
        with Image.open(path) as image:
            check_size(image.size, path)
            return rgb(image, path)
    except UserError:
        raise
    except Exception as error:
        raise _undecoded(path, error) from error


def rgb(image: Image.Image, name: object) -> Pixels:
    """Return an image of any mode as RGB (H, W, 3), upright.

    Raises:
        UserError: it has grey values of more than 8 bits, which have no one meaning, or its file is damaged; `name`
            stands in the message.
    """
    if image.mode == "F" or image.mode.startswith("I"):  # Pillow cuts the values off at 255
        raise UserError(f"{name}: more than 8 bits a grey value: convert it to 8 bits")
    try:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.uint8)
    except Exception as error:
        raise _undecoded(name, error) from error


def _undecoded(name: object, error: Exception) -> UserError:
    """Say what a decoder made of damaged bytes: each raises what it likes."""
    return UserError(f"{name}: cannot be decoded ({' '.join(str(error).split())})")


def check_size(size: tuple[int, int], name: object) -> None:
    """Refuse an image of (width, height) that would take too much memory, before it is decoded.

    Raises:
        UserError: `name` stands in the message.
    """
    width, height = size
    if max(size) > LONGEST or width * height > LARGEST:
        most = f"a side must not be longer than {LONGEST}, nor the whole larger than {LARGEST // 10**6} megapixels"
        raise UserError(f"{name}: {height}x{width} pixels: {most}: shrink it")


def pixels_of(path: Path) -> int:
    """Return how many pixels an image has by its header, 0 if it is none."""
    try:
        if path.is_file():
            with Image.open(path) as image:
                return image.width * image.height
    except Exception:  # `read` tells what is wrong
        pass
    return 0


def coloured(labels: Pixels) -> Pixels:
    """Return classes (H, W) in SegNet's colours, RGB (H, W, 3)."""
    return np.asarray(cv2.LUT(cv2.merge([labels, labels, labels]), _COLOURS), np.uint8)


def overlay(image: Pixels, labels: Pixels) -> Pixels:
    """Return an RGB image with the classes' colours laid over it."""
    return np.asarray(cv2.addWeighted(image, 1 - OPACITY, coloured(labels), OPACITY, 0), np.uint8)


def side_by_side(image: Pixels, labels: Pixels) -> Pixels:
    """Return an RGB image and the classes' colours to the right of it."""
    return np.asarray(cv2.hconcat([image, coloured(labels)]), np.uint8)


@lru_cache(maxsize=4)
def legend(width: int) -> Pixels:
    """Return all classes' names beside their colours, black on white, RGB (height, width, 3)."""
    size = min(max(12, width // 80), 96)  # larger letters would make the strip below a wide picture larger than it
    font = ImageFont.load_default(size)
    across = max(font.getlength(name) for name in CLASSES) + 2.5 * size
    columns = max(1, int(width / across))
    strip = Image.new("RGB", (width, 2 * size * -(-len(CLASSES) // columns)), "white")
    pen = ImageDraw.Draw(strip)
    for place, (name, colour) in enumerate(zip(CLASSES, PALETTE.tolist(), strict=True)):
        x, y = round(place % columns * across) + size // 2, place // columns * 2 * size + size // 2
        pen.rectangle((x, y, x + size, y + size), fill=tuple(colour))
        pen.text((x + 1.5 * size, y + size / 2), name, "black", font, anchor="lm")
    return np.asarray(strip)


def with_legend(picture: Pixels) -> Pixels:
    """Return a picture with the legend below it."""
    return np.asarray(cv2.vconcat([picture, legend(picture.shape[1])]), np.uint8)


def finished(folder: Path, image: Path) -> bool:
    """Return whether all files of an image are there, none older than the image."""
    try:
        oldest = min(path.stat().st_mtime_ns for path in _paths(folder, image.stem).values())
        return oldest >= image.stat().st_mtime_ns
    except OSError:
        return False


def save(folder: Path, name: str, image: Pixels, labels: Pixels) -> None:
    """Write the three files of an image: classes as a grey PNG; overlay, and image beside colours, with a legend.

    Raises:
        OneFileError: a file cannot be written.
        UserError: none can.
    """
    paths = _paths(folder, name)
    replace(paths["labels"], labels_png(labels))
    replace(paths["overlay"], _jpeg(with_legend(overlay(image, labels))))
    replace(paths["side_by_side"], _jpeg(with_legend(side_by_side(image, labels))))


def labels_png(labels: Pixels) -> bytes:
    """Return classes (H, W) as a grey PNG that holds them as they are."""
    return bytes(cv2.imencode(".png", labels, _PNG)[1])


def replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all.

    Raises:
        OneFileError: it cannot be written.
        UserError: no file can be written there.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        kind = UserError if error.errno in FOLDERS_FAULT else OneFileError
        raise kind(f"{path}: cannot be written ({error.strerror}): give another output") from error


def _paths(folder: Path, name: str) -> dict[str, Path]:
    return {kind: folder / kind / f"{name}{suffix}" for kind, suffix in FILES.items()}


def _jpeg(image: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG)[1])
