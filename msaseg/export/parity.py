"""Does an exported file compute what the net computes?"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels, Size, resize_image
from msaseg.data.synthetic.scene import draw
from msaseg.export.formats import Run
from msaseg.export.program import SMALLEST, SMALLEST_RESIZED, net_to_export, prepared
from msaseg.export.stretching import stretch
from msaseg.predict.folder import is_image
from msaseg.predict.pictures import read
from msaseg.training.inference import upsampled
from msaseg.training.restore import Restored

AGREEMENT = 0.9999
"""Share of the pixels that must get the same class."""
DIFFERENCE = 1e-3
"""Largest difference of two logits that is allowed, as a share of the largest logit."""
FRAMES = 4
"""Images that are compared, each at two sizes."""
LONGEST = 960
"""Pixels of an image's longer side, CamVid's; a larger photograph is shrunk: at its own size it costs minutes."""


class Parity(NamedTuple):
    """How a file compares with the net.

    Args:
        difference: largest absolute difference of two logits.
        largest: largest absolute logit.
        agreement: share of the pixels with the same class.
        pixels: that were compared.
    """

    difference: float
    largest: float
    agreement: float
    pixels: int

    @property
    def holds(self) -> bool:
        """Whether the file may be kept."""
        return self.agreement >= AGREEMENT and self.difference <= DIFFERENCE * max(1.0, self.largest)


def frames(folder: Path | None, size: Size) -> list[Pixels]:
    """Return images to compare on: evenly spread ones of a folder, or synthetic street scenes.

    Raises:
        UserError: the folder has no images, or one cannot be decoded.
    """
    if folder is None:
        full = (2 * size[0] + 1, 2 * size[1] + 3)  # odd: no multiple of any stride
        return [draw(np.random.default_rng(seed), full)[0] for seed in range(FRAMES)]
    found = sorted(path for path in folder.glob("*") if is_image(path))
    if not found:
        raise UserError(f"--frames {folder}: no images here: give a folder, or leave it away for synthetic scenes")
    count = min(FRAMES, len(found))
    return [_shrunk(read(found[place * len(found) // count])) for place in range(count)]


def compare(run: Run, restored: Restored, images: list[Pixels], inside: bool, trained: bool = True) -> Parity:
    """Compare an opened file with the net.

    The net runs with its images laid out as in the file: another layout rounds otherwise, and where two values of a
    pooling are all but equal a net that unpools (ENet, SegNet) then puts the maximum into another place.

    Args:
        run: the file.
        restored: the net.
        images: each is compared at the net's training size and at its own; the first two in one batch, too.
        inside: whether the file takes uint8 and chooses the classes itself.
        trained: whether it brings images to the training size itself.
    """
    net = net_to_export(restored)
    difference = largest = 0.0
    same = pixels = 0
    for batch in _batches(images, restored.size, SMALLEST_RESIZED if trained else SMALLEST):
        outputs = run(prepared(restored, batch, inside))
        with torch.inference_mode():
            maps = batch.float() / 255
            expected = upsampled(net(stretch(maps, restored.size)), batch.shape[-2:]) if trained else net(maps)
        labels = outputs[0].long() if inside else outputs[0].argmax(1)
        difference = float(np.maximum(difference, (outputs[-1] - expected).abs().max().item()))  # keeps NaN
        largest = max(largest, expected.abs().max().item())
        same += int((labels == expected.argmax(1)).sum())
        pixels += labels.numel()
    return Parity(difference, largest, same / pixels, pixels)


def _shrunk(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    return resize_image(image, (max(1, round(scale * height)), max(1, round(scale * width))))


def _batches(images: list[Pixels], size: Size, smallest: int) -> Iterator[Tensor]:
    small = tuple(max(side, smallest) for side in size)
    resized = [resize_image(image, (small[0], small[1])) for image in images]
    yield _stack(resized[:2])
    for group in (resized, images):
        for image in group:
            if min(image.shape[:2]) >= smallest:
                yield _stack([image])


def _stack(images: list[Pixels]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))
