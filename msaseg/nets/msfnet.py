"""MSFNet as far as its description goes: spatial aware pooling, fusion stride by stride, boundary supervision."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import conv_bn_relu, crop, enlarge, pad, resize
from msaseg.nets.encoders.encoder import STRIDES, Encoder
from msaseg.nets.net import SegmentationNet

WIDTH = 128
"""Channels of every pooled and fused map."""

POOLINGS = 5
"""Poolings of each stage."""

FINEST = 8
"""The stride of the last fused map."""


class SpatialAwarePooling(nn.Module):
    """Project each stage of the encoder to one width and pool it five times by 3x3 maxima of stride 2.

    Shape:
        features: four maps at strides 4, 8, 16 and 32.
        returns: stride -> its maps, each (N, WIDTH, ceil(H / stride), ceil(W / stride)), for strides 8 to 1024.

    Args:
        in_channels: of the four maps.
    """

    def __init__(self, in_channels: Sequence[int]) -> None:
        super().__init__()
        self.projections = nn.ModuleList(conv_bn_relu(channels, WIDTH, kernel=1) for channels in in_channels)

    def forward(self, features: Sequence[Tensor]) -> dict[int, list[Tensor]]:
        """Project and pool each stage, and sort its maps by stride."""
        pooled: dict[int, list[Tensor]] = {}
        for first, project, stage in zip(STRIDES, self.projections, features, strict=True):
            maps = project(stage)
            for order in range(POOLINGS + 1):
                if order > 0:
                    maps = F.max_pool2d(maps, 3, stride=2, padding=1)
                if first * 2**order >= FINEST:
                    pooled.setdefault(first * 2**order, []).append(maps)
        return pooled


class MultiFeaturesFusion(nn.Module):
    """At each stride, join the maps of all stages; add what the coarser strides gave.

    Shape:
        pooled: as `SpatialAwarePooling` returns it.
        returns: (N, WIDTH, ceil(H / 8), ceil(W / 8)).
    """

    def __init__(self) -> None:
        super().__init__()
        reached = [first * 2**order for first in STRIDES for order in range(POOLINGS + 1)]
        self.mix = nn.ModuleDict(
            {
                str(stride): conv_bn_relu(reached.count(stride) * WIDTH, WIDTH)
                for stride in sorted(set(reached), reverse=True)
                if stride >= FINEST
            }
        )

    def forward(self, pooled: Mapping[int, list[Tensor]]) -> Tensor:
        """Go from the coarsest stride to stride 8."""
        fused: Tensor | None = None
        for stride, mix in self.mix.items():
            maps = mix(torch.cat(pooled[int(stride)], dim=1))
            fused = maps if fused is None else maps + resize(fused, maps.shape[-2:])
        assert fused is not None
        return fused


class MSFNet(SegmentationNet):
    """The Multiply Spatial Fusion Network, read from its abstract and from notes on it.

    Known: a ResNet-18, spatial aware pooling (SAP) after each of its stages, a module (MFM) that fuses the features
    of different stages which have the same resolution, two independent upsamplings of its output at stride 8,
    one supervised with class boundaries, and a weighted sum of both losses.

    Inferred, since the text could not be had and no code is public: five poolings a stage, 3x3 maxima of stride 2; a
    1x1 convolution to one width before them; concatenation and a 3x3 convolution at each stride; bilinear enlargement
    and sum from stride to stride; a 3x3 and a 1x1 convolution before each final upsampling, which is bilinear; one
    boundary map for all classes. With the width of 128 the multiply-adds are, within 1 %, the 96.8 G at 1024x2048
    that MSFNet is remembered to print. The weights of the two losses are not known either.

    A map at stride 1024 has one position at all usual sizes: training needs two images a batch or more, for batch
    norm.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits; with `auxiliary=True` also a dict, {"boundary": (N, 1, H, W) logits}.
            Without the flag the boundary branch costs nothing.

    Args:
        num_classes: of the segmentation.
        encoder: ResNet-18 in MSFNet.

    Source: MSFNet (Si et al. 2019), abstract.
    """

    auxiliaries = ("boundary",)
    encoder: Encoder

    def __init__(self, num_classes: int, encoder: Encoder | str) -> None:
        super().__init__(encoder)
        self.pooling = SpatialAwarePooling(self.encoder.channels)
        self.fusion = MultiFeaturesFusion()
        self.segmentation = nn.Sequential(conv_bn_relu(WIDTH, WIDTH), nn.Conv2d(WIDTH, num_classes, 1))
        self.boundary = nn.Sequential(conv_bn_relu(WIDTH, WIDTH), nn.Conv2d(WIDTH, 1, 1))

    def forward(self, images: Tensor, auxiliary: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Pool, fuse, and enlarge the scores eightfold."""
        fused = self.fusion(self.pooling(self.encoder(pad(images))))  # (N, WIDTH, H/8, W/8)
        logits = crop(enlarge(self.segmentation(fused), FINEST), images)
        if not auxiliary:
            return logits
        return logits, {"boundary": crop(enlarge(self.boundary(fused), FINEST), images)}
