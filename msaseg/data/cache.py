"""Decode once: frames at the input size in memory-mapped arrays that all jobs of a machine share."""

import hashlib
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from msaseg.cli.errors import UserError
from msaseg.data.frames import Decoded, Frame, Pixels, Size, decode
from msaseg.data.manifest import Row, digest
from msaseg.data.shared_build import build_once

FORMAT = 2  # raise it when the files below change their meaning: older caches are then left alone
ARRAYS = ("images", "labels", "full_labels")

_verified: set[tuple[str, tuple[int, ...]]] = set()  # once a process is enough, and each worker need not

log = logging.getLogger(__name__)


class Cache:
    """The decoded frames of one data set at one size.

    A folder of `images.npy` (n, h, w, 3), `labels.npy` (n, h, w), `full_labels.npy` (n, H, W), all uint8,
    and `frames.json` with the n manifest rows and the digests of all four. A pickled cache is its path: workers map
    the same pages.

    Args:
        folder: where `open_cache` made it.

    Raises:
        OSError, ValueError, EOFError, KeyError: a file is missing, truncated or of another length.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        content = json.loads((folder / "frames.json").read_text())
        rows = [Row(*row) for row in content["rows"]]
        self.names = tuple(f"{row.split}/{row.name}" for row in rows)
        self.digest = digest(rows)
        self.written: dict[str, str] = content["digests"]
        if self.written["rows"] != self.digest:
            raise ValueError("frames.json is not what was written")
        self.images, self.labels, self.full_labels = (
            np.load(folder / f"{array}.npy", mmap_mode="r") for array in ARRAYS
        )
        if any(len(array) != len(rows) for array in (self.images, self.labels, self.full_labels)):
            raise ValueError("arrays and frames.json differ in length")

    def verify(self) -> None:
        """Read every byte, once a process: a record quotes `digest`, so it must be true of what is trained on.

        Raises:
            ValueError: an array is not what was written.
        """
        stamp = tuple((self.folder / f"{array}.npy").stat().st_mtime_ns for array in ARRAYS)
        if (str(self.folder), stamp) in _verified:
            return
        for array, found in _digests(self.folder).items():
            if found != self.written[array]:
                raise ValueError(f"{array}.npy is not what was written")
        _verified.add((str(self.folder), stamp))

    def __reduce__(self) -> tuple[type["Cache"], tuple[Path]]:
        return Cache, (self.folder,)

    def sample(self, index: int, *, full_label: bool) -> tuple[Pixels, Pixels]:
        """Image at the input size; label at the input size, or at its own with `full_label`."""
        labels = self.full_labels if full_label else self.labels
        return np.array(self.images[index]), np.array(labels[index])


def content_key(frames: Sequence[Frame], size: Size) -> str:
    """Sixteen hex digits that change with the frames' names, the bytes of their files, or the size."""

    def line(frame: Frame) -> str:
        files = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (frame.image, frame.label))
        return "\t".join((frame.id, *files))

    with ThreadPoolExecutor() as pool:
        lines = [f"{FORMAT} {size}", *pool.map(line, frames)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def open_cache(frames: Sequence[Frame], size: Size, values: int, cache_dir: Path) -> Cache:
    """Open the cache of these frames; build it first if there is none or if it is damaged.

    Args:
        frames: what it holds, in this order.
        size: (h, w) of images and training labels.
        values: labels must be below this.
        cache_dir: folder of all caches. One whose content changed gets another name in it.

    Raises:
        UserError: a frame is unusable, or the frames differ in size.
    """
    folder = Path(cache_dir) / f"camvid-{size[0]}x{size[1]}-{content_key(frames, size)}"
    build_once(folder, _is_whole, partial(_build, frames=frames, size=size, values=values))
    return Cache(folder)


def _is_whole(folder: Path) -> bool:
    try:
        Cache(folder).verify()
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
        if folder.exists():
            log.warning("%s is damaged (%s): it is made again", folder, " ".join(str(error).split()))
        return False
    return True


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each array's file; hashing lets other threads work."""

    def one(array: str) -> str:
        with (folder / f"{array}.npy").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    with ThreadPoolExecutor() as pool:
        return dict(zip(ARRAYS, pool.map(one, ARRAYS), strict=True))


def _build(folder: Path, frames: Sequence[Frame], size: Size, values: int) -> None:
    log.info("decoding %d frames at %dx%d, once", len(frames), *size)
    rows = []
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        stack.callback(pool.shutdown, cancel_futures=True)  # after an error or a signal the rest is not decoded
        decoded = pool.map(partial(decode, size=size, values=values), frames)
        files: list[BinaryIO] = []
        full_size: tuple[int, ...] = ()
        for frame, arrays in zip(frames, decoded, strict=True):
            if not files:
                full_size = arrays.full_label.shape
                files = [stack.enter_context((folder / f"{array}.npy").open("wb")) for array in ARRAYS]
                _write_headers(files, arrays, len(frames))
            if arrays.full_label.shape != full_size:
                raise UserError(
                    f"{frame.image}: {arrays.full_label.shape} pixels (h, w), but {frames[0].image.name} has"
                    f" {full_size}: all frames must have one size"
                )
            for file, array in zip(files, arrays[:3], strict=True):
                file.write(array.tobytes())
            rows.append(arrays.row)
    digests = {"rows": digest(rows), **_digests(folder)}
    (folder / "frames.json").write_text(json.dumps({"rows": rows, "digests": digests}))


def _write_headers(files: Sequence[BinaryIO], first: Decoded, n: int) -> None:
    """Plain writes instead of a writable map: a full disk is then an error, not a killed process."""
    for file, array in zip(files, first[:3], strict=True):
        header = {"descr": "|u1", "fortran_order": False, "shape": (n, *array.shape)}
        npy.write_array_header_1_0(file, header)
