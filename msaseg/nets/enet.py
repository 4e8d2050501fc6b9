"""ENet: narrow bottlenecks, most of them at stride 8, and a small decoder that unpools."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import crop, pad
from msaseg.nets.net import SegmentationNet
from msaseg.nets.segnet import Places, pool, unpool

CONTEXT = ("3x3", "dilated 2", "5x1 1x5", "dilated 4", "3x3", "dilated 8", "5x1 1x5", "dilated 16")
"""The middle of the eight bottlenecks at stride 8 that stages 2 and 3 have each."""

Activation = Callable[[int], nn.Module]
"""Makes the activation of so many channels."""


class Bottleneck(nn.Module):
    """A residual block with a quarter of the channels in its middle.

    Shape:
        maps: (N, channels, h, w).
        returns: the same.

    Args:
        channels: in and out.
        kind: of the middle: "3x3", "dilated D", or "5x1 1x5".
        dropout: share of the body's channels that training drops.
        activation: of every layer.
    """

    def __init__(self, channels: int, kind: str, dropout: float, activation: Activation = nn.PReLU) -> None:
        super().__init__()
        width = channels // 4
        self.body = nn.Sequential(
            *_normed(nn.Conv2d(channels, width, 1, bias=False), activation),
            *_middle(kind, width, activation),
            *_expanded(width, channels, dropout),
        )
        self.activation = activation(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Add what the body finds."""
        out: Tensor = self.activation(maps + self.body(maps))
        return out


class Downsampling(nn.Module):
    """A bottleneck of stride 2; past it the maps are pooled, and the channels that they lack are zeros.

    Shape:
        maps: (N, in_channels, h, w), h and w even.
        returns: (N, out_channels, h / 2, w / 2), and the places of the maxima.

    Args:
        in_channels: of the maps.
        out_channels: more than `in_channels`; a quarter of them is the body's width.
        dropout: as in `Bottleneck`.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        width = out_channels // 4
        self.missing = out_channels - in_channels
        self.body = nn.Sequential(
            *_normed(nn.Conv2d(in_channels, width, 2, stride=2, bias=False), nn.PReLU),
            *_middle("3x3", width, nn.PReLU),
            *_expanded(width, out_channels, dropout),
        )
        self.activation = nn.PReLU(out_channels)

    def forward(self, maps: Tensor) -> tuple[Tensor, Places]:
        """Add what the body finds to the pooled maps."""
        pooled, places = pool(maps)
        widened = F.pad(pooled, (0, 0, 0, 0, 0, self.missing))
        return self.activation(widened + self.body(maps)), places


class Upsampling(nn.Module):
    """A bottleneck with a transposed convolution; past it the maps are projected and unpooled.

    Shape:
        maps: (N, in_channels, h, w).
        returns: (N, out_channels, 2 * h, 2 * w).

    Args:
        in_channels: of the maps.
        out_channels: those of the map that was pooled at the same resolution; a quarter of them is the body's width.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        width = out_channels // 4
        self.project = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.body = nn.Sequential(
            *_normed(nn.Conv2d(in_channels, width, 1, bias=False), _relu),
            *_normed(nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1), _relu),
            *_expanded(width, out_channels, dropout=0),
        )
        self.activation = _relu(out_channels)

    def forward(self, maps: Tensor, places: Places) -> Tensor:
        """Add what the body finds to the unpooled maps."""
        out: Tensor = self.activation(unpool(self.project(maps), places) + self.body(maps))
        return out


class ENet(SegmentationNet):
    """ENet: an encoder of five bottlenecks at stride 4 and 17 at stride 8, a decoder of five.

    The decoder unpools by the indices of the two downsampling bottlenecks, and its activations are ReLUs.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 8 inside.
        returns: (N, num_classes, H, W) logits.

    Args:
        num_classes: of the segmentation.

    Source: ENet (Paszke et al. 2016).
    """

    padded_to = 8  # the stride of its coarsest maps

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 13, 3, stride=2, padding=1)
        self.stem_activation = nn.Sequential(nn.BatchNorm2d(16), nn.PReLU(16))
        self.down1 = Downsampling(16, 64, dropout=0.01)
        self.stage1 = nn.Sequential(*(Bottleneck(64, "3x3", dropout=0.01) for _ in range(4)))
        self.down2 = Downsampling(64, 128, dropout=0.1)
        self.stages23 = nn.Sequential(*(Bottleneck(128, kind, dropout=0.1) for kind in 2 * CONTEXT))
        self.up4 = Upsampling(128, 64)
        self.stage4 = nn.Sequential(*(Bottleneck(64, "3x3", 0, _relu) for _ in range(2)))
        self.up5 = Upsampling(64, 16)
        self.stage5 = Bottleneck(16, "3x3", 0, _relu)
        self.classifier = nn.ConvTranspose2d(16, num_classes, 2, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        """Go down to stride 8, and up by the same places."""
        padded = pad(images, self.padded_to)
        maps = self.stem_activation(torch.cat([self.stem(padded), F.max_pool2d(padded, 2)], 1))  # (N, 16, H/2, W/2)
        maps, places2 = self.down1(maps)
        maps, places4 = self.down2(self.stage1(maps))  # (N, 128, H/8, W/8)
        maps = self.stage4(self.up4(self.stages23(maps), places4))  # (N, 64, H/4, W/4)
        maps = self.stage5(self.up5(maps, places2))  # (N, 16, H/2, W/2)
        return crop(self.classifier(maps), images)


def _relu(channels: int) -> nn.Module:
    return nn.ReLU(inplace=True)


def _normed(conv: nn.Conv2d | nn.ConvTranspose2d, activation: Activation) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), activation(conv.out_channels)]


def _middle(kind: str, width: int, activation: Activation) -> list[nn.Module]:
    if kind == "5x1 1x5":  # one convolution in two steps: nothing between them
        tall = nn.Conv2d(width, width, (5, 1), padding=(2, 0), bias=False)
        return [tall, *_normed(nn.Conv2d(width, width, (1, 5), padding=(0, 2)), activation)]
    dilation = int(kind.removeprefix("dilated ")) if kind.startswith("dilated ") else 1
    return _normed(nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), activation)


def _expanded(width: int, channels: int, dropout: float) -> list[nn.Module]:
    """No activation: that comes after the sum."""
    layers = [nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels)]
    return [*layers, nn.Dropout2d(dropout)] if dropout else layers
