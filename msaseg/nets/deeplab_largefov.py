"""DeepLab-LargeFOV: VGG16 at stride 8 and one 3x3 convolution that sees 25x25 positions."""

import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import crop, enlarge, pad
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.net import SegmentationNet

FC_CHANNELS = 1024
"""Of fc6 and fc7: a quarter of VGG16's."""


def check_dilated_vgg16(encoder: Encoder) -> None:
    """Refuse an encoder whose last stage cannot run at stride 8.

    Raises:
        ValueError: names the argument, what it must be and what it is.
    """
    if not isinstance(encoder, VGG16Encoder):
        raise ValueError(f"encoder must be a VGG16Encoder, not a {type(encoder).__name__}")
    last = next(layer for layer in reversed(encoder.features) if isinstance(layer, nn.Conv2d))
    if last.dilation != (2, 2):
        raise ValueError("encoder must have dilated=True: its last stage runs at stride 8 here")


def vgg_head(in_channels: int, channels: int, num_classes: int, kernel: int, dilation: int) -> nn.Sequential:
    """Return VGG16's two fully connected layers as convolutions, the second 1x1, with dropout, and a 1x1 for scores."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2 * dilation, dilation=dilation),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Conv2d(channels, channels, 1),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Conv2d(channels, num_classes, 1),
    )


class DeepLabLargeFOV(SegmentationNet):
    """DeepLab, version 1, in its LargeFOV form: the paper's "DeepLab" row of Table 6, without the CRF behind it.

    All poolings are 3x3; those after conv4 and conv5 have stride 1, and a 3x3 average follows. conv5 has dilation 2,
    fc6 is 3x3 with dilation 12. Scores at stride 8 are enlarged bilinearly. Its authors refine the result with a dense
    CRF on the CPU, which is no part of the net; their 61.6 % has it and is of several scales.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits.

    Args:
        num_classes: of the segmentation.
        encoder: a `VGG16Encoder` with `dilated=True`.

    Raises:
        ValueError: for another encoder.

    Source: Chen et al. 2015 (arXiv:1412.7062), section 4.3 and table 2.
    """

    encoder: VGG16Encoder

    def __init__(self, num_classes: int, encoder: VGG16Encoder) -> None:
        super().__init__(encoder)
        check_dilated_vgg16(encoder)
        self.head = vgg_head(encoder.channels[-1], FC_CHANNELS, num_classes, kernel=3, dilation=12)

    def forward(self, images: Tensor) -> Tensor:
        """Run VGG16 with its last two poolings at stride 1, then the head."""
        padded = pad(images)
        maps, poolings = self.encoder.normalise(padded), 0
        for layer in self.encoder.features:
            if isinstance(layer, nn.MaxPool2d):
                poolings += 1
                maps = F.max_pool2d(maps, 3, stride=2 if poolings <= 3 else 1, padding=1)
            else:
                maps = layer(maps)
        scores = self.head(F.avg_pool2d(maps, 3, stride=1, padding=1))  # (N, num_classes, H/8, W/8)
        return crop(enlarge(scores, 8), images)
