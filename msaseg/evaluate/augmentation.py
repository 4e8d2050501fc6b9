"""Test-time augmentation: one prediction from several views of an image."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from msaseg.data.frames import Size
from msaseg.training.inference import upsampled

SCALES = (0.75, 1.0, 1.25)


class View(NamedTuple):
    """One view of an image: scaled, perhaps mirrored left and right."""

    scale: float
    mirrored: bool


VIEWS = {
    "none": (View(1.0, False),),
    "flip": (View(1.0, False), View(1.0, True)),
    "multiscale": tuple(View(scale, mirrored) for scale in SCALES for mirrored in (False, True)),
}
TITLES = {
    "none": "no test-time augmentation",
    "flip": "test-time augmentation: flip (mean of the image and its mirror)",
    "multiscale": f"test-time augmentation: multiscale ({', '.join(f'{s:g}' for s in SCALES)}, each also mirrored)",
}
"""What stands next to the number."""


def class_scores(logits: Callable[[Tensor], Tensor], images: Tensor, size: Size, tta: str) -> Tensor:
    """Return what the largest of is the class: logits without augmentation, else the mean of the views' softmax.

    A scaled view is resampled from the input size, bilinearly, with antialiasing where it shrinks.

    Shape:
        images: (N, 3, h, w) uint8.
        returns: (N, C, H, W) at `size`.

    Args:
        logits: maps uint8 images to logits at their size.
        images: at the input size.
        size: (H, W) of the labels.
        tta: a key of `VIEWS`.
    """
    maps = [_view(logits, images, size, view) for view in VIEWS[tta]]
    return maps[0] if len(maps) == 1 else torch.stack([each.softmax(1) for each in maps]).mean(0)


def _view(logits: Callable[[Tensor], Tensor], images: Tensor, size: Size, view: View) -> Tensor:
    if view.scale != 1:
        scaled = [round(view.scale * side) for side in images.shape[-2:]]
        resampled = F.interpolate(images.float(), scaled, mode="bilinear", antialias=True)
        images = resampled.round().clamp(0, 255).to(torch.uint8)
    if view.mirrored:
        images = images.flip(-1)
    maps = upsampled(logits(images), size)
    return maps.flip(-1) if view.mirrored else maps
