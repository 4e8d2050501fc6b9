"""SwiftNet with three image scales: one ResNet-18 on each, convolutions shared, batch norms not."""

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import crop, enlarge, pad
from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.net import SegmentationNet
from msaseg.nets.swiftnet import WIDTH, bn_relu_conv, checked_resnet18, enlarge_and_add

LEVELS = 3
"""The image at full, half and quarter size."""


class PyramidEncoder(nn.Module):
    """ResNet-18 on the image and its smaller copies: the same convolutions, batch norms for each size.

    The copies are bicubic. Each size starts with the batch norms that the weights have.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], H and W multiples of 4.
        returns: for each level l = 0, 1, 2 the residual sums of layer1 to layer4 at strides 4 to 32 times 2^l,
            sizes rounded up.

    Args:
        encoder: becomes level 0; the convolutions of the others are its own.
    """

    def __init__(self, encoder: ResNet18Encoder) -> None:
        super().__init__()
        shared = {id(module): module for module in encoder.modules() if isinstance(module, nn.Conv2d)}
        copies = (copy.deepcopy(encoder, dict(shared)) for _ in range(LEVELS - 1))
        self.levels = nn.ModuleList([encoder, *copies])

    def forward(self, images: Tensor) -> list[list[Tensor]]:
        """Run each level on its copy of the image."""
        height, width = images.shape[-2:]
        found = []
        for number, level in enumerate(self.levels):
            assert isinstance(level, ResNet18Encoder)
            size = (height // 2**number, width // 2**number)
            smaller = F.interpolate(images, size, mode="bicubic") if number else images
            found.append(residual_sums(level, smaller))
        return found


def residual_sums(encoder: ResNet18Encoder, images: Tensor) -> list[Tensor]:
    """Return what layer1 to layer4 yield before their last ReLU.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1].
        returns: four maps, map i of (N, encoder.channels[i], H / s, W / s) with s = 4, 8, 16, 32, sizes rounded up.
    """
    maps = encoder.maxpool(encoder.bn1(encoder.conv1(encoder.normalise(images))))
    sums = []
    for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        maps = F.relu(maps)  # also the stem's: ReLU may as well come after the max-pooling
        *blocks, last = layer
        for block in blocks:
            maps = block(maps)
        short = maps if last.downsample is None else last.downsample(maps)
        maps = last.bn2(last.conv2(F.relu(last.bn1(last.conv1(maps))))) + short
        sums.append(maps)
    return sums


class SwiftNetPyramid(SegmentationNet):
    """SwiftNet RN-18, pyramid: maps of equal stride are summed over the scales, then blended from coarse to fine.

    This is the variant of the authors' code, with shared 1x1 convolutions without batch norm, five blends from stride
    128 to 4 and no pyramid pooling. The net of their 2019 paper was a little larger and cheaper. In their code the
    scales also share the batch norms of ResNet's shortcuts; here these are separate like all others.

    Its authors train it with a boundary-aware focal loss, which weighs pixels by their distance to a boundary; here
    it trains by cross entropy, as the single scale does with them.

    The map at stride 128 of an input of up to 128x128 has one position: training then needs two images a batch or
    more, for batch norm.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits, computed at stride 4 and enlarged bilinearly.

    Args:
        num_classes: of the segmentation.
        encoder: a `ResNet18Encoder`.

    Raises:
        ValueError: for another encoder.

    Source: SwiftNet (Oršić et al. 2019; Oršić and Šegvić 2020) and its authors' code.
    """

    encoder: PyramidEncoder

    def __init__(self, num_classes: int, encoder: ResNet18Encoder | str) -> None:
        super().__init__(encoder)
        resnet18 = checked_resnet18(self.encoder)
        self.encoder = PyramidEncoder(resnet18)
        self.projections = nn.ModuleList(nn.Conv2d(channels, WIDTH, 1, bias=False) for channels in resnet18.channels)
        self.strides = len(resnet18.channels) + LEVELS - 1  # 4, 8, ... 128
        self.blends = nn.ModuleList(bn_relu_conv(WIDTH, WIDTH, kernel=3) for _ in range(self.strides - 1))
        self.head = nn.Sequential(nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, num_classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Sum the scales' maps stride by stride, then add them up from stride 128 to stride 4."""
        by_stride: list[list[Tensor]] = [[] for _ in range(self.strides)]
        for level, sums in enumerate(self.encoder(pad(images))):
            for stage, (project, maps) in enumerate(zip(self.projections, sums, strict=True)):
                by_stride[level + stage].append(project(maps))
        *finer, maps = [sum(found[1:], found[0]) for found in by_stride]
        for blend, fine in zip(self.blends, finer[::-1], strict=True):
            maps = blend(enlarge_and_add(maps, fine))
        scores = self.head(maps)  # (N, num_classes, H/4, W/4)
        return crop(enlarge(scores, 4), images)
