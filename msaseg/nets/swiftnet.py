"""SwiftNet with one image scale: ResNet-18, pyramid pooling, and three upsampling steps."""

import torch
from torch import Tensor, nn

from msaseg.nets.blocks import average_on_grid, crop, enlarge, pad, resize
from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.net import SegmentationNet

WIDTH = 128
"""Channels of every map of the decoder."""

GRIDS = (8, 4, 2)
"""Rows of the pooling grids; as many columns as keep their cells square."""

SPP_MOMENTUM = 0.005
"""Of the batch norms of the pyramid pooling, whose grids have few positions."""


def bn_relu_conv(in_channels: int, out_channels: int, kernel: int = 1, momentum: float = 0.1) -> nn.Sequential:
    """Batch norm, ReLU, then a convolution with zero padding ("same") and without bias."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels, momentum=momentum),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
    )


def checked_resnet18(encoder: nn.Module) -> ResNet18Encoder:
    """Return an encoder if it has residual sums.

    Raises:
        ValueError: names the argument, what it may be and what it is.
    """
    if not isinstance(encoder, ResNet18Encoder):
        raise ValueError(f"encoder must be a ResNet18Encoder, not a {type(encoder).__name__}")
    return encoder


def enlarge_and_add(coarse: Tensor, fine: Tensor) -> Tensor:
    """Bring `coarse` to the size of `fine`, bilinearly, and add the two."""
    return resize(coarse, fine.shape[-2:]) + fine


def _rounded(numerator: int, denominator: int) -> int:
    """Return `round(numerator / denominator)`, a half to the even side, by sums that a recorded graph can hold."""
    nearest = (2 * numerator + denominator) // (2 * denominator)
    is_half = nearest - (2 * numerator + denominator - 1) // (2 * denominator)
    return nearest - is_half * (nearest % 2)


class SpatialPyramidPooling(nn.Module):
    """Averages over three grids, enlarged and concatenated with the map itself.

    Shape:
        maps: (N, in_channels, h, w).
        returns: (N, WIDTH, h, w).
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        width = WIDTH // len(GRIDS)
        self.reduce = bn_relu_conv(in_channels, WIDTH, momentum=SPP_MOMENTUM)
        self.levels = nn.ModuleList(bn_relu_conv(WIDTH, width, momentum=SPP_MOMENTUM) for _ in GRIDS)
        self.mix = bn_relu_conv(WIDTH + len(GRIDS) * width, WIDTH, momentum=SPP_MOMENTUM)

    def forward(self, maps: Tensor) -> Tensor:
        """Pool on grids of 8, 4 and 2 rows."""
        maps = self.reduce(maps)
        height, width = maps.shape[-2:]
        found = [maps]
        for rows, level in zip(GRIDS, self.levels, strict=True):
            columns = max(1, _rounded(rows * width, height))
            pooled = level(average_on_grid(maps, (rows, columns)))
            found.append(resize(pooled, (height, width)))
        mixed: Tensor = self.mix(torch.cat(found, dim=1))
        return mixed


class SwiftNet(SegmentationNet):
    """SwiftNet RN-18, single scale.

    The skips are the stages' outputs after their ReLU: the paper means the residual sums before it, but in the released
    code, which made the published numbers, the block's ReLU works in place, so the skips are behind it.
    The momentum of the pyramid pooling's batch norms, 0.005, is that of its authors' code. New layers are initialised
    as PyTorch does; that code draws them from He's normal distribution.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits, computed at stride 4 and enlarged bilinearly.

    Args:
        num_classes: of the segmentation.
        encoder: a `ResNet18Encoder`.

    Raises:
        ValueError: for another encoder.

    Source: SwiftNet (Oršić et al. 2019) and its authors' code.
    """

    encoder: ResNet18Encoder

    def __init__(self, num_classes: int, encoder: ResNet18Encoder | str) -> None:
        super().__init__(encoder)
        *skip_channels, deepest = checked_resnet18(self.encoder).channels
        self.pooling = SpatialPyramidPooling(deepest)
        self.skips = nn.ModuleList(bn_relu_conv(channels, WIDTH) for channels in skip_channels)
        self.blends = nn.ModuleList(bn_relu_conv(WIDTH, WIDTH, kernel=3) for _ in skip_channels)
        self.head = nn.Sequential(nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, num_classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Pool the deepest map, then add the skips from coarse to fine."""
        *stages, deepest = self.encoder(pad(images))
        maps = self.pooling(deepest)
        for skip, blend, fine in zip(self.skips[::-1], self.blends[::-1], stages[::-1], strict=True):
            maps = blend(enlarge_and_add(maps, skip(fine)))
        scores = self.head(maps)  # (N, num_classes, H/4, W/4)
        return crop(enlarge(scores, 4), images)
