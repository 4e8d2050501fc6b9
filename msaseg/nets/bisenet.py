"""BiSeNet: a spatial path that keeps detail, a context path that sees far, and a module that joins them."""

import torch
from torch import Tensor, nn

from msaseg.nets.blocks import conv_bn_relu, crop, enlarge, pad
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.net import SegmentationNet

WIDTH = 128
"""Channels of the spatial path's output and of every map of the context path."""


class AttentionRefinement(nn.Module):
    """A 3x3 convolution whose channels are weighed by what a 1x1 convolution makes of their global averages.

    Shape:
        maps: (N, in_channels, h, w).
        returns: (N, WIDTH, h, w).
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(in_channels, WIDTH)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(WIDTH, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.Sigmoid()
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve, then weigh each channel."""
        maps = self.conv(maps)
        weighed: Tensor = maps * self.weigh(maps)
        return weighed


class ContextPath(nn.Module):
    """The encoder's two coarsest maps refined and brought to stride 8, starting from a global average.

    Shape:
        maps16: (N, channels16, H / 16, W / 16).
        maps32: (N, channels32, H / 32, W / 32).
        returns: (N, WIDTH, H / 16, W / 16) and (N, WIDTH, H / 8, W / 8).

    Args:
        channels16: of the map at stride 16.
        channels32: of the map at stride 32.
    """

    def __init__(self, channels16: int, channels32: int) -> None:
        super().__init__()
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(channels32, WIDTH, kernel=1))
        self.refine32 = AttentionRefinement(channels32)
        self.refine16 = AttentionRefinement(channels16)
        self.smooth16 = conv_bn_relu(WIDTH, WIDTH)
        self.smooth8 = conv_bn_relu(WIDTH, WIDTH)

    def forward(self, maps16: Tensor, maps32: Tensor) -> tuple[Tensor, Tensor]:
        """Add the global context at stride 32 and go two strides finer."""
        context32 = self.refine32(maps32) + self.whole(maps32)
        context16 = self.smooth16(enlarge(context32, 2))
        context8 = self.smooth8(enlarge(self.refine16(maps16) + context16, 2))
        return context16, context8


class FeatureFusion(nn.Module):
    """Join both paths by a 1x1 convolution and add to it a copy with weighed channels.

    Shape:
        spatial: (N, WIDTH, h, w).
        context: the same.
        returns: (N, 2 * WIDTH, h, w).
    """

    def __init__(self) -> None:
        super().__init__()
        self.mix = conv_bn_relu(2 * WIDTH, 2 * WIDTH, kernel=1)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(2 * WIDTH, 2 * WIDTH, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * WIDTH, 2 * WIDTH, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Mix, weigh, add."""
        mixed = self.mix(torch.cat([spatial, context], dim=1))
        joined: Tensor = mixed + mixed * self.weigh(mixed)
        return joined


class BiSeNet(SegmentationNet):
    """BiSeNet, version 1, with any encoder: Xception39 and ResNet-18 are its authors' "BiSeNet1" and "BiSeNet2".

    The global averages become maps of one position, so training needs two images a batch or more, for batch norm.

    Unlike its authors' code, maps are enlarged with pixels taken as areas (`align_corners=False`), and new layers are
    initialised as PyTorch does. The spatial path sees the image as the encoder normalises it.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits; with `auxiliary=True` also a dict of the logits that the context
            path's maps at strides 16 and 8 give, {"context16", "context8"}. Without the flag their heads cost nothing.

    Args:
        num_classes: of the segmentation.
        encoder: its maps at strides 16 and 32 are used.
        auxiliary_width: channels of the auxiliary heads, 128 with Xception39, 256 with ResNet-18.

    Source: BiSeNet (Yu et al. 2018) and its authors' code.
    """

    auxiliaries = ("context16", "context8")
    encoder: Encoder

    def __init__(self, num_classes: int, encoder: Encoder | str, auxiliary_width: int = 256) -> None:
        super().__init__(encoder)
        self.spatial = nn.Sequential(
            conv_bn_relu(3, 64, kernel=7, stride=2),
            conv_bn_relu(64, 64, stride=2),
            conv_bn_relu(64, 64, stride=2),
            conv_bn_relu(64, WIDTH, kernel=1),
        )
        _, _, channels16, channels32 = self.encoder.channels
        self.context = ContextPath(channels16, channels32)
        self.fusion = FeatureFusion()
        self.head = _head(2 * WIDTH, 64, num_classes)
        self.auxiliary_heads = nn.ModuleDict(
            {name: _head(WIDTH, auxiliary_width, num_classes) for name in self.auxiliaries}
        )

    def forward(self, images: Tensor, auxiliary: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Run both paths, join them at stride 8 and enlarge the scores eightfold."""
        padded = pad(images)
        _, _, maps16, maps32 = self.encoder(padded)
        context16, context8 = self.context(maps16, maps32)
        fused = self.fusion(self.spatial(self.encoder.normalise(padded)), context8)  # (N, 256, H/8, W/8)
        logits = crop(enlarge(self.head(fused), 8), images)
        if not auxiliary:
            return logits
        context = {"context16": (context16, 16), "context8": (context8, 8)}
        return logits, {
            name: crop(enlarge(self.auxiliary_heads[name](maps), stride), images)
            for name, (maps, stride) in context.items()
        }


def _head(in_channels: int, width: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(conv_bn_relu(in_channels, width), nn.Conv2d(width, num_classes, 1))
