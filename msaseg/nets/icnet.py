"""ICNet: a deep branch on a quarter of the image, shallow ones on half of it and on all of it, fused in cascade."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import average_on_grid, conv_bn_relu, enlarge, resize
from msaseg.nets.net import SegmentationNet

BINS = (1, 2, 3, 6)
"""Rows and columns of the pyramid pooling's grids."""

WIDTH = 128
"""Channels in which two branches are summed."""


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions, with the stride in the first as in the Caffe original.

    Shape:
        maps: (N, in_channels, h, w).
        returns: (N, 4 * width, ceil(h / stride), ceil(w / stride)).

    Args:
        in_channels: of the maps.
        width: channels of the 3x3 convolution.
        stride: 1 or 2.
        dilation: of the 3x3 convolution.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        channels = 4 * width
        # Not a strided 1x1 convolution: its backward may crash on a CPU (oneDNN issue 6035).
        self.thin = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()
        self.body = nn.Sequential(
            conv_bn_relu(in_channels, width, kernel=1),
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            _conv_bn(width, channels),
        )
        self.projection = nn.Identity() if in_channels == channels else _conv_bn(in_channels, channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Add the body's output to the input, or to its projection."""
        maps = self.thin(maps)
        out: Tensor = self.relu(self.projection(maps) + self.body(maps))
        return out


class PyramidPooling(nn.Module):
    """Add to each position the averages of the parts of the map that it lies in, then a 1x1 convolution.

    Shape:
        maps: (N, in_channels, h, w).
        returns: (N, out_channels, h, w).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = conv_bn_relu(in_channels, out_channels, kernel=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Average over each grid, enlarge, sum, reduce."""
        averages = [resize(average_on_grid(maps, (bins, bins)), maps.shape[-2:]) for bins in BINS]
        out: Tensor = self.reduce(maps + torch.stack(averages).sum(0))
        return out


class CascadeFusion(nn.Module):
    """ICNet's cascade feature fusion (CFF): a dilated convolution on the coarse map, a 1x1 one on the fine, a sum.

    Shape:
        enlarged: (N, coarse_channels, h, w), the coarse map at the fine one's size.
        fine: (N, fine_channels, h, w).
        returns: (N, WIDTH, h, w).
    """

    def __init__(self, coarse_channels: int, fine_channels: int) -> None:
        super().__init__()
        self.coarse = nn.Sequential(
            nn.Conv2d(coarse_channels, WIDTH, 3, padding=2, dilation=2, bias=False), nn.BatchNorm2d(WIDTH)
        )
        self.fine = _conv_bn(fine_channels, WIDTH)

    def forward(self, enlarged: Tensor, fine: Tensor) -> Tensor:
        """Convolve each and add."""
        return F.relu(self.coarse(enlarged) + self.fine(fine))


class ICNet(SegmentationNet):
    """ICNet with PSPNet50's layers at half their widths, the size that its authors prune to and publish.

    They train at full width, prune, and train again; here the narrow net is trained at once, from scratch. Images
    are not normalised: each branch begins with a convolution and batch norm. The authors fit sizes to 32 n + 1 pixels
    and resample with corners aligned; here every halving rounds up, and a coarse map is enlarged to the size of the
    fine one, pixels taken as areas (`align_corners=False`), so every size fits without padding. The authors compare
    the auxiliary scores with reduced labels; here they are enlarged to the image, as the suite's nets promise.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64.
        returns: (N, num_classes, H, W) logits, computed at stride 4; with `auxiliary=True` also a dict of those from
            the coarse inputs of the two fusions, {"fusion16", "fusion8"}. Without the flag their heads cost nothing.

    Args:
        num_classes: of the segmentation.

    Source: ICNet (Zhao et al. 2018) and its authors' released network.
    """

    auxiliaries = ("fusion16", "fusion8")
    padded_to = 1  # sizes are rounded up instead

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.on_half = nn.Sequential(
            conv_bn_relu(3, 32, stride=2),
            conv_bn_relu(32, 32),
            conv_bn_relu(32, 64),
            nn.MaxPool2d(3, stride=2, padding=1),
            *_bottlenecks(64, 32, 3),
            Bottleneck(128, 64, stride=2),
        )
        self.on_quarter = nn.Sequential(
            *_bottlenecks(256, 64, 3),
            *_bottlenecks(256, 128, 6, dilation=2),
            *_bottlenecks(512, 256, 3, dilation=4),
            PyramidPooling(1024, 256),
        )
        self.on_full = nn.Sequential(
            conv_bn_relu(3, 32, stride=2), conv_bn_relu(32, 32, stride=2), conv_bn_relu(32, 64, stride=2)
        )
        self.fusion16 = CascadeFusion(256, 256)
        self.fusion8 = CascadeFusion(WIDTH, 64)
        self.head = nn.Conv2d(WIDTH, num_classes, 1)
        self.auxiliary_heads = nn.ModuleDict(
            {"fusion16": nn.Conv2d(256, num_classes, 1), "fusion8": nn.Conv2d(WIDTH, num_classes, 1)}
        )

    def forward(self, images: Tensor, auxiliary: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Run the branches from coarse to fine, fusing twice."""
        maps16 = self.on_half(resize(images, _halved(images)))  # (N, 256, H/16, W/16)
        maps32 = self.on_quarter(resize(maps16, _halved(maps16)))  # (N, 256, H/32, W/32)
        coarse16 = resize(maps32, maps16.shape[-2:])
        fused16 = self.fusion16(coarse16, maps16)
        maps8 = self.on_full(images)  # (N, 64, H/8, W/8)
        coarse8 = resize(fused16, maps8.shape[-2:])
        fused8 = self.fusion8(coarse8, maps8)
        scores = self.head(enlarge(fused8, 2))  # (N, num_classes, H/4, W/4)
        logits = resize(scores, images.shape[-2:])
        if not auxiliary:
            return logits
        coarse = {"fusion16": coarse16, "fusion8": coarse8}
        return logits, {
            name: resize(self.auxiliary_heads[name](maps), images.shape[-2:]) for name, maps in coarse.items()
        }


def _conv_bn(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))


def _bottlenecks(in_channels: int, width: int, number: int, dilation: int = 1) -> list[Bottleneck]:
    widths = [in_channels] + (number - 1) * [4 * width]
    return [Bottleneck(channels, width, dilation=dilation) for channels in widths]


def _halved(maps: Tensor) -> tuple[int, int]:
    height, width = maps.shape[-2:]
    return (height + 1) // 2, (width + 1) // 2
