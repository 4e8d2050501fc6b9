"""The small pieces that every net is made of, and the padding that makes any input size fit."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 32
"""Inputs are padded to a multiple of this, so that the maps at strides 2 to 32 fit exactly."""


def conv_bn_relu(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution with zero padding ("same"), without bias, then batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def separable_conv_bn_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """Depthwise 3x3, pointwise 1x1, batch norm, ReLU; nothing between the two convolutions."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def upsample_bn_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """Transposed convolution 4x4 stride 2 (exactly twice the size), batch norm, ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def pad(images: Tensor, multiple: int = STRIDE) -> Tensor:
    """Repeat the last row and column downwards and to the right up to a multiple of a size.

    Shape:
        images: (N, C, H, W).
        returns: (N, C, multiple * ceil(H / multiple), multiple * ceil(W / multiple)).
    """
    height, width = images.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    return F.pad(images, (0, right, 0, bottom), mode="replicate") if bottom or right else images


def crop(maps: Tensor, images: Tensor) -> Tensor:
    """Cut maps at the bottom and right to the height and width of the images."""
    height, width = images.shape[-2:]
    return maps[..., :height, :width]


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Bring maps bilinearly to `size` = (h, w), pixels taken as areas (`align_corners=False`)."""
    return F.interpolate(maps, list(size), mode="bilinear")


def enlarge(maps: Tensor, factor: int) -> Tensor:
    """Enlarge maps bilinearly by a whole factor."""
    height, width = maps.shape[-2:]
    return resize(maps, (factor * height, factor * width))


def average_on_grid(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average over the cells of a grid, as `F.adaptive_avg_pool2d` does.

    While a graph is recorded for any image size (`torch.export`) the same is written as a product with two matrices:
    ONNX has no pooling whose cells follow the size.

    Shape:
        maps: (N, C, h, w).
        returns: (N, C, rows, columns).

    Args:
        maps: what to average.
        grid: rows and columns.
    """
    if not torch.compiler.is_exporting():
        return F.adaptive_avg_pool2d(maps, grid)
    down, across = (_cells(size, count, maps) for size, count in zip(maps.shape[-2:], grid, strict=True))
    return down @ maps @ across.mT


def _cells(size: int, count: int, like: Tensor) -> Tensor:
    """Return (count, size) weights: row i averages positions floor(i size / count) to ceil((i + 1) size / count)."""
    cells = torch.arange(count, device=like.device).unsqueeze(1)
    positions = torch.arange(size, device=like.device)
    starts, ends = cells * size // count, ((cells + 1) * size + count - 1) // count
    inside = ((positions >= starts) & (positions < ends)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def check_choice(argument: str, value: object, allowed: tuple[object, ...]) -> None:
    """Refuse a value that a net's argument cannot have.

    Raises:
        ValueError: names the argument, the allowed values and the one given.
    """
    if value not in allowed:
        raise ValueError(f"{argument} must be one of {', '.join(map(str, allowed))}, not {value!r}")
