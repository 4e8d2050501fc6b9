"""DFANet's modified Xception, the paper's Backbone A and B: three stages of separable blocks, Eq. 3, fc attention."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import check_choice, conv_bn_relu
from msaseg.nets.encoders.encoder import Encoder

STEM = 8
REPEATS = (4, 6, 4)
WIDTHS = {"A": (48, 96, 192), "B": (32, 64, 128)}
"""Channels of the three stages of each variant."""

FC = 1000
"""Width of the fc layer: that of the ImageNet classifier that DFANet keeps."""


class StageMaps(NamedTuple):
    """What a backbone yields: its three stages' maps, each half as large as the one before, and the last attended."""

    first: Tensor
    second: Tensor
    third: Tensor
    attended: Tensor


def aggregate(phi: Callable[[Tensor], Tensor], coming: Tensor, previous: Tensor | None) -> Tensor:
    """Return x_n^i of Eq. 3: stage i of backbone n.

    x_n^i = x_n^(i-1) + phi_n^i(x_n^(i-1)) for n = 1, and [x_n^(i-1), x_(n-1)^i] + phi_n^i([x_n^(i-1), x_(n-1)^i]) for
    the others; brackets concatenate. The paper prints both without saying which holds when; DFANet does. The sum
    is the residual connection of the stage's blocks, with a projection where sizes differ, so it is inside `phi`.

    Shape:
        coming: (N, a, h, w).
        previous: (N, b, h, w) or None.
        returns: what `phi` makes of (N, a + b, h, w), or of (N, a, h, w).

    Args:
        phi: the stage, its residual sum included.
        coming: x_n^(i-1), what the stage before it gave.
        previous: x_(n-1)^i, what the same stage of the backbone before gave; None in the first backbone.

    Source: paper, Eq. 3; DFANet (Li et al. 2019), Eq. 1.
    """
    return phi(coming if previous is None else torch.cat([coming, previous], 1))


class XceptionBlock(nn.Module):
    """Three separable 3x3 convolutions of widths c/4, c/4, c, added to the input.

    With stride 2 or another width the input passes a 1x1 convolution on its way to the sum.

    Shape:
        maps: (N, in_channels, h, w).
        returns: (N, channels, ceil(h / stride), ceil(w / stride)).

    Source: DFANet (Li et al. 2019), section 3.3; widths and projection as its re-implementations have them.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        widths = (in_channels, channels // 4, channels // 4, channels)
        layers: list[nn.Module] = []
        for number, (coming, going) in enumerate(pairwise(widths)):
            layers += [
                nn.Conv2d(coming, coming, 3, stride if number == 0 else 1, 1, groups=coming, bias=False),
                nn.Conv2d(coming, going, 1, bias=False),
                nn.BatchNorm2d(going),
                nn.ReLU(inplace=True),
            ]
        self.body = nn.Sequential(*layers[:-1])  # the last ReLU comes after the sum
        self.projection = (
            nn.Identity()
            if stride == 1 and in_channels == channels
            else nn.Sequential(  # not one strided 1x1 convolution: its backward may crash on a CPU (oneDNN issue 6035)
                nn.MaxPool2d(1, stride), nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
            )
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Add the body's output to the projected input."""
        summed: Tensor = self.relu(self.projection(maps) + self.body(maps))
        return summed


class FcAttention(nn.Module):
    """Weigh channels by what a fully connected layer makes of the whole map.

    Global average, fc layer of 1000 (the ImageNet classifier's, kept), 1x1 convolution back, product with the map. No
    activation between: the re-implementations disagree, and DFANet mentions none.

    Shape:
        maps: (N, channels, h, w).
        returns: the same.

    Source: DFANet (Li et al. 2019), section 3.3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, FC)
        self.back = nn.Conv2d(FC, channels, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Multiply each channel by its weight."""
        context = self.fc(maps.mean((2, 3)))  # (N, 1000)
        weights: Tensor = self.back(context[:, :, None, None])
        return maps * weights


class Backbone(nn.Module):
    """Three stages of Xception blocks, the first block of each with stride 2, and fc attention.

    Args:
        in_channels: of what enters each of the three stages.
        channels: of what leaves them.
    """

    def __init__(self, in_channels: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(XceptionBlock(coming, going, 2), *(XceptionBlock(going, going) for _ in range(repeats - 1)))
            for coming, going, repeats in zip(in_channels, channels, REPEATS, strict=True)
        )
        self.attention = FcAttention(channels[-1])

    def forward(self, maps: Tensor, before: StageMaps | None = None) -> StageMaps:
        """Run the stages on `maps`, each one together with the same stage of the backbone before, if there is one.

        Shape:
            maps: (N, c, h, w); with `before`, c and the channels of `before.first` sum to `in_channels[0]`.
            returns: maps of ceil(h / 2), ceil(h / 4) and twice ceil(h / 8) rows.
        """
        found = []
        for phi, previous in zip(self.stages, before[:3] if before else (None,) * 3, strict=True):
            maps = aggregate(phi, maps, previous)
            found.append(maps)
        first, second, third = found
        return StageMaps(first, second, third, self.attention(third))


class XceptionEncoder(Encoder):
    """One backbone with its stem: maps at strides 4, 8 and 16, as in DFANet, and a fourth for MSANet.

    DFANet's backbone ends at stride 16. The map at stride 32 is the attended one after a 2x2 max-pooling: that adds no
    parameters, so this is Backbone A or B and nothing else. No ImageNet weights of it are public: it
    trains from scratch. Mean and deviation are those of ImageNet.

    Args:
        variant: "A" (48, 96, 192 channels) or "B" (32, 64, 128).

    Raises:
        ValueError: for another variant.

    Source: paper, Table 5; DFANet (Li et al. 2019), Table 1.
    """

    def __init__(self, variant: str = "A") -> None:
        check_choice("variant", variant, tuple(WIDTHS))
        first, second, third = WIDTHS[variant]
        super().__init__((first, second, third, third), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.stem = conv_bn_relu(3, STEM, stride=2)
        self.backbone = Backbone((STEM, first, second), (first, second, third))

    def stages(self, images: Tensor) -> StageMaps:
        """Return the maps at strides 4, 8 and 16, and the last one attended."""
        maps: StageMaps = self.backbone(self.stem(self.normalise(images)))
        return maps

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return four maps at strides 4, 8, 16 (attended) and 32."""
        maps = self.stages(images)
        return [maps.first, maps.second, maps.attended, F.max_pool2d(maps.attended, 2)]
