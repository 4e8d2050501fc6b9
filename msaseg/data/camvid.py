"""CamVid in the layout of the SegNet release: its classes, its colours, its files."""

import logging
from collections.abc import Sequence
from pathlib import Path

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.data.cache import Cache, open_cache
from msaseg.data.frames import DecodedFrames, Frame

COUNTS = {"train": 367, "val": 101, "test": 233}  # frames of the official split
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}

log = logging.getLogger(__name__)


class CamVid:
    """The frames of a CamVid tree, decoded once into a shared cache.

    Args:
        root: folder of `{train,val,test}/NAME.{png,jpg,webp}` and `{split}annot/NAME.png` (index 0..11).
        size: (h, w) to which images and training labels are stretched.
        cache_dir: folder of the caches; null decodes the files anew each time a frame is read.
    """

    def __init__(self, root: str | Path, size: Sequence[int], cache_dir: str | Path | None) -> None:
        self.root = Path(root)
        self.size = (int(size[0]), int(size[1]))
        self.cache_dir = None if cache_dir is None else Path(cache_dir)

    def open(self) -> Cache | DecodedFrames:
        """List the tree and build or find its cache.

        Raises:
            UserError: the tree or one of its files is unusable.
        """
        frames = list_frames(self.root)
        if len(frames) != sum(COUNTS.values()):
            log.warning(
                "%s: %d frames instead of CamVid's 701: its numbers compare with nobody's;"
                " `python -m msaseg.data verify %s` names what differs",
                *(self.root, len(frames), self.root),
            )
        if self.cache_dir is None:
            return DecodedFrames(frames, self.size, len(CLASSES))
        return open_cache(frames, self.size, len(CLASSES), self.cache_dir)


def list_frames(root: Path) -> list[Frame]:
    """All frames of a tree: train, val, test, each by name.

    Raises:
        UserError: a folder is missing or empty, or a frame and its label are not both there.
    """
    return [frame for split in COUNTS for frame in _list_split(root, split)]


def _list_split(root: Path, split: str) -> list[Frame]:
    images = _by_name(root, split, _SUFFIXES)
    labels = _by_name(root, f"{split}annot", {".png"})
    for name in sorted(images.keys() - labels.keys()):
        mend = f"add {root / f'{split}annot' / name}.png or remove the frame"
        raise UserError(f"{images[name]}: this frame has no label: {mend}")
    for name in sorted(labels.keys() - images.keys()):
        raise UserError(f"{labels[name]}: this label has no frame in {root / split}: add it or remove the label")
    return [Frame(f"{split}/{name}", images[name], labels[name]) for name in sorted(images)]


def _by_name(root: Path, folder: str, suffixes: set[str]) -> dict[str, Path]:
    where = root / folder
    fetch = "run `make data`, or `python -m msaseg.data fetch FOLDER`"
    mend = f"{fetch}, or name a CamVid folder (SegNet layout): paths.data, MSASEG_DATA, or PATH of `data verify`"
    if not where.is_dir():
        raise UserError(f"{where}: no such folder: {mend}")
    found: dict[str, Path] = {}
    for path in sorted(where.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if not path.is_file():  # to open a pipe would wait for ever
            raise UserError(f"{path}: not a file, or a link that points nowhere: put the frame there or remove it")
        if path.stem in found:
            raise UserError(f"{path}: {found[path.stem].name} is the same frame: remove one of them")
        found[path.stem] = path
    if not found:
        raise UserError(f"{where}: no images in this folder: {mend}")
    return found
