"""Predict the images of a folder, or one image."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels
from msaseg.predict.pictures import IMAGES, OneFileError, pixels_of, read, save
from msaseg.predict.pipeline import THREADS, Item, ahead, predict_all
from msaseg.predict.predictor import Predictor


def images(source: Path) -> list[Path]:
    """Return the images of a folder by name, those of its folders not; or the one that `source` is.

    Raises:
        UserError: there is none, two would be written to one name, or the folder cannot be read.
    """
    if not source.is_dir():
        return [source]
    try:
        found = sorted(path for path in source.iterdir() if is_image(path))
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror})") from error
    if not found:
        raise UserError(f"{source}: no images here: their names end in {', '.join(IMAGES)}")
    by_name: dict[str, Path] = {}
    for path in found:
        if path.stem in by_name:
            raise UserError(f"{path}: {by_name[path.stem].name} would be written to the same names: rename one of them")
        by_name[path.stem] = path
    return found


def predict_images(
    paths: Sequence[Path], output: Path, predictor: Predictor, batch: int, tell: Callable[[str | None], None]
) -> Item | None:
    """Predict images and write their files.

    Args:
        paths: of the images.
        output: folder.
        predictor: the net.
        batch: images at once, at most.
        tell: called after each image, with what is wrong with it or None.

    Returns:
        One of the items, or None if no image could be read.

    Raises:
        UserError: nothing can be written, or there is too little memory.
    """
    last: Item | None = None

    def readable() -> Iterator[Item]:
        nonlocal last
        for result in ahead(lambda path: _read(path, predictor), paths, THREADS, batch + THREADS, pixels_of):
            try:
                last = result.result()
            except UserError as error:
                tell(str(error))
            else:
                yield last

    def write(item: Item, labels: Pixels) -> None:
        try:
            save(output, item.name, item.image, labels)
        except OneFileError as error:
            tell(str(error))
        else:
            tell(None)

    predict_all(readable(), predictor, batch, write)
    return last


def is_image(path: Path) -> bool:
    """Return whether a file of a folder is an image by its name, and none that is hidden, as macOS leaves them."""
    return path.suffix.lower() in IMAGES and not path.is_dir() and not path.name.startswith(".")


def _read(path: Path, predictor: Predictor) -> Item:
    image = read(path)
    return Item(path.stem, image, predictor.prepare(path, image))
