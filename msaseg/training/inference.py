"""From images to classes: the one path that training, scoring, prediction and figures share."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.data.frames import Pixels

STRIP = 1 << 20
"""Pixels whose logits `label_map` holds in memory at once: those of a photograph of 12 megapixels would fill 0.5 GB."""


def unit_range(images: Tensor) -> Tensor:
    """Map uint8 (N, 3, h, w) to float in [0, 1]; mean and deviation belong to the encoder."""
    return images.contiguous(memory_format=torch.channels_last).float() / 255


def logits(net: nn.Module, images: Tensor) -> Tensor:
    """Map uint8 RGB images (N, 3, h, w) to float32 logits (N, C, h, w)."""
    maps: Tensor = net(unit_range(images))
    return maps.float()


def upsampled(logits: Tensor, size: tuple[int, ...]) -> Tensor:
    """Bring logits (N, C, h, w) to (N, C, *size), bilinearly; the largest of each pixel is its class."""
    return F.interpolate(logits, size, mode="bilinear")


def label_map(logits: Tensor, size: tuple[int, ...]) -> Pixels:
    """Return the class of each pixel of one image: what `upsampled(...).argmax(1)` is, strip by strip.

    Adjacent channels make it several times as fast on a CPU.

    Shape:
        logits: (C, h, w).
        returns: (H, W) at `size`.
    """
    height, width = size
    maps = logits.permute(1, 2, 0).contiguous()  # (h, w, C)
    rows = (torch.arange(height, device=maps.device) + 0.5) * (len(maps) / height) - 0.5
    rows = rows.clamp(0, len(maps) - 1)
    above = rows.long()
    below, share = (above + 1).clamp(max=len(maps) - 1), (rows - above)[:, None, None]
    strips = []
    for strip in torch.split(torch.arange(height, device=maps.device), max(1, STRIP // width)):
        narrow = torch.lerp(maps[above[strip]], maps[below[strip]], share[strip])[None].permute(0, 3, 1, 2)
        strips.append(upsampled(narrow, (len(strip), width)).argmax(1)[0].to(torch.uint8))
    return np.asarray(torch.cat(strips).cpu().numpy(), np.uint8)
