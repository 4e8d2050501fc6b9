"""Fig. 1 and 2: one labelled frame of the data set, and the mask of each class in it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hydra.utils import instantiate

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.config import compose_run
from msaseg.data.frames import Pixels, Size, resize_label
from msaseg.data.splits import OfficialSplit
from msaseg.figures.panels import Panel, enlarged, sheet
from msaseg.figures.planned import Drawing, Skipped
from msaseg.predict.pictures import coloured
from msaseg.tables.protocols import Protocol

FRAME: Size = (180, 240)
MASK: Size = (150, 200)
MASK_COLUMNS = 4
CAMVID = "From CamVid (Brostow, Fauqueur, Cipolla 2009), 12-class release of SegNet."
DRAWN = "Drawn by the suite: no camera saw this."


class Street(NamedTuple):
    """One frame: its id, its image (h, w, 3) at a panel's size, and its classes (H, W) at their own."""

    name: str
    image: Pixels
    label: Pixels


def frame(protocol: Protocol) -> Drawing:
    """Draw Fig. 1: an image and its label in colours, with the classes named."""
    [street] = read([], protocol)
    panels = [
        Panel(street.image, "image"),
        Panel(coloured(resize_label(street.label, street.image.shape[:2])), "label"),
    ]
    caption = f"A labelled frame: {street.name}, the middle one of the official test part by name. {source(protocol)}"
    return Drawing(sheet([panels], source(protocol), CLASSES), caption, frames=[street.name])


def masks(protocol: Protocol) -> Drawing:
    """Draw Fig. 2: the pixels of each class of the same frame in black."""
    [street] = read([], protocol)
    panels = [_mask(street.label, index, name) for index, name in enumerate(CLASSES)]
    rows = [panels[start : start + MASK_COLUMNS] for start in range(0, len(panels), MASK_COLUMNS)]
    caption = (
        f"The label of {street.name} as one binary mask a class, black where the class is, with the class's share of "
        f"all pixels. {source(protocol)}"
    )
    return Drawing(sheet(rows, source(protocol)), caption, frames=[street.name])


def read(names: Sequence[str], protocol: Protocol) -> list[Street]:
    """Return frames of a protocol's source at a panel's size; without names the middle one of the official test part.

    Raises:
        Skipped: the frames are not on this machine.
    """
    changes = [f"protocol.source.size=[{FRAME[0]},{FRAME[1]}]", "protocol.source.cache_dir=null"]
    config = compose_run([f"protocol={protocol.name}", *(changes if protocol.needs_data else [])])
    try:
        store = instantiate(config.protocol.source, _convert_="all").open()
        if not names:
            test = OfficialSplit()(store.names).test
            names = [test[len(test) // 2]]
        numbers = [store.names.index(name) for name in names]
        samples = [store.sample(number, full_label=True) for number in numbers]
    except UserError as error:
        raise Skipped(str(error)) from error
    return [Street(name, enlarged(image), label) for name, (image, label) in zip(names, samples, strict=True)]


def source(protocol: Protocol) -> str:
    """Return the line that names where a protocol's frames are from."""
    return CAMVID if protocol.needs_data else DRAWN


def _mask(label: Pixels, index: int, name: str) -> Panel:
    share = float(np.mean(label == index))
    small = resize_label(label, MASK)
    pixels = np.where(small == index, 0, 255).astype(np.uint8)
    return Panel(np.repeat(pixels[..., None], 3, axis=2), f"{name}: {100 * share:.1f} %" if share else f"{name}: none")
