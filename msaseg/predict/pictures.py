"""Images in, pictures out: what is read, and the three files that are written for each image."""

import os
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from msaseg.classes import PALETTE
from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FILES = {"index": ".png", "overlay": ".jpg", "side_by_side": ".jpg"}
"""Folder and suffix of each kind of file."""
LONGEST = 32_750
"""Pixels of an image's side: a JPEG holds 65500, and two images stand side by side."""
OPACITY = 0.5
"""Of the classes' colours over the image."""
_COLOURS = np.zeros((1, 256, 3), np.uint8)
_COLOURS[0, : len(PALETTE)] = PALETTE
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)  # label maps are tiny at any level, and 1 is ten times as fast as 9
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 92)


def read(path: Path) -> Pixels:
    """Decode an image as RGB (H, W, 3), turned upright as its camera noted; transparency is dropped.

    Raises:
        UserError: the file is no image, cut off, or of a kind that is not predicted.
    """
    try:
        with Image.open(path) as image:
            deep, size = image.mode == "F" or image.mode.startswith("I"), image.size
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.uint8)
    except Exception as error:  # damaged bytes raise what each decoder likes
        raise UserError(f"{path}: cannot be decoded ({' '.join(str(error).split())})") from error
    if deep:  # Pillow cuts its values off at 255
        raise UserError(f"{path}: more than 8 bits a grey value: convert it to 8 bits")
    if max(size) > LONGEST:
        raise UserError(f"{path}: {size[1]}x{size[0]} pixels: a side must not be longer than {LONGEST}")
    return pixels


def coloured(labels: Pixels) -> Pixels:
    """Return classes (H, W) in SegNet's colours, RGB (H, W, 3)."""
    return np.asarray(cv2.LUT(cv2.merge([labels, labels, labels]), _COLOURS), np.uint8)


def overlay(image: Pixels, labels: Pixels) -> Pixels:
    """Return an RGB image with the classes' colours laid over it."""
    return np.asarray(cv2.addWeighted(image, 1 - OPACITY, coloured(labels), OPACITY, 0), np.uint8)


def side_by_side(image: Pixels, labels: Pixels) -> Pixels:
    """Return an RGB image and the classes' colours to the right of it."""
    return np.asarray(cv2.hconcat([image, coloured(labels)]), np.uint8)


def finished(folder: Path, image: Path) -> bool:
    """Return whether all files of an image are there, none older than the image."""
    try:
        oldest = min(path.stat().st_mtime_ns for path in _paths(folder, image.stem).values())
    except FileNotFoundError:
        return False
    return oldest >= image.stat().st_mtime_ns


def save(folder: Path, name: str, image: Pixels, labels: Pixels) -> None:
    """Write the three files of an image: classes as an index PNG, overlay, image beside colours.

    Raises:
        UserError: a file cannot be written.
    """
    paths = _paths(folder, name)
    replace(paths["index"], index_png(labels))
    replace(paths["overlay"], _jpeg(overlay(image, labels)))
    replace(paths["side_by_side"], _jpeg(side_by_side(image, labels)))


def index_png(labels: Pixels) -> bytes:
    """Return classes (H, W) as a grey PNG that holds them as they are."""
    return bytes(cv2.imencode(".png", labels, _PNG)[1])


def replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UserError(f"{path}: cannot be written ({error.strerror}): give another output") from error


def _paths(folder: Path, name: str) -> dict[str, Path]:
    return {kind: folder / kind / f"{name}{suffix}" for kind, suffix in FILES.items()}


def _jpeg(image: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG)[1])
