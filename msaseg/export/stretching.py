"""Images to the size that a net was trained on, inside a recorded graph."""

import torch
from torch import Tensor

from msaseg.data.frames import Size


def stretch(images: Tensor, size: Size) -> Tensor:
    """Stretch float images as training and prediction do (`msaseg.data.frames.resize_image`), but without rounding.

    By pixel areas when shrinking, else bilinearly. Both are products with two matrices: no format has a resizing by
    areas, and those that they have differ in where they sample and whether they smooth.

    Shape:
        images: (N, C, H, W).
        returns: (N, C, *size).
    """
    shrinks = _number(images.shape[-2], images) >= size[0]
    shrinks = shrinks & (_number(images.shape[-1], images) >= size[1])
    down, across = (
        torch.where(shrinks, _areas(old, new, images), _neighbours(old, new, images))
        for old, new in zip(images.shape[-2:], size, strict=True)
    )
    return down @ images @ across.mT


def _number(side: int, like: Tensor) -> Tensor:
    """Return a size as a tensor: a recorder cannot decide by it otherwise."""
    return torch.zeros((), device=like.device) + side


def _areas(old: int, new: int, like: Tensor) -> Tensor:
    """Return (new, old) weights: the share of each new pixel that each old one covers."""
    cells, pixels = _columns(old, new, like)
    ends = torch.minimum((cells + 1) * old, (pixels + 1) * new)
    return (ends - torch.maximum(cells * old, pixels * new)).clamp(min=0) / old


def _neighbours(old: int, new: int, like: Tensor) -> Tensor:
    """Return (new, old) weights: each new pixel's centre lies between two old ones, or on the border."""
    cells, pixels = _columns(old, new, like)
    centres = (((cells + 0.5) * old) / new - 0.5).clamp(min=0)
    centres = torch.minimum(centres, _number(old, like) - 1)
    return (1 - (centres - pixels).abs()).clamp(min=0)


def _columns(old: int, new: int, like: Tensor) -> tuple[Tensor, Tensor]:
    cells = torch.arange(new, device=like.device, dtype=torch.float32).unsqueeze(1)
    return cells, torch.arange(old, device=like.device, dtype=torch.float32)
