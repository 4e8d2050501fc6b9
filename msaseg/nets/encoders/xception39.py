"""Xception39, the small encoder of BiSeNet: bottlenecks of separable convolutions at strides 8, 16 and 32."""

from torch import Tensor, nn

from msaseg.nets.blocks import conv_bn_relu
from msaseg.nets.encoders.encoder import Encoder

STEM = 8
STAGES = ((16, 4), (32, 8), (64, 4))
"""Width and number of blocks of the stages at strides 8, 16 and 32; a stage yields four times its width."""


class Xception39Block(nn.Module):
    """Three separable 3x3 convolutions of widths c, c, 4c, added to the input; ReLU after the sum.

    The block that halves the size has stride 2 in the first convolution and in a separable one on the input's way to
    the sum.

    Shape:
        maps: (N, in_channels, h, w); in_channels is 4 * width without `halves`.
        returns: (N, 4 * width, h, w), or half of h and w, rounded up.

    Args:
        in_channels: of what comes in.
        width: c.
        halves: whether the block halves the size.
    """

    def __init__(self, in_channels: int, width: int, halves: bool) -> None:
        super().__init__()
        stride = 2 if halves else 1
        self.body = nn.Sequential(
            _separable_conv_bn(in_channels, width, stride),
            nn.ReLU(inplace=True),
            _separable_conv_bn(width, width),
            nn.ReLU(inplace=True),
            _separable_conv_bn(width, 4 * width),
        )
        self.projection = _separable_conv_bn(in_channels, 4 * width, stride) if halves else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Add the body's output to the projected input."""
        summed: Tensor = self.relu(self.projection(maps) + self.body(maps))
        return summed


class Xception39Encoder(Encoder):
    """A 3x3 convolution of stride 2, a max-pooling, and 4, 8 and 4 blocks at strides 8, 16 and 32.

    The map at stride 4 is the pooled one, of 8 channels. It trains from scratch, since no ImageNet weights of it are at
    hand in an open format; BiSeNet's authors had some. Mean and deviation are those of ImageNet.

    Source: BiSeNet (Yu et al. 2018) and its authors' code.
    """

    def __init__(self) -> None:
        super().__init__((STEM, *(4 * width for width, _ in STAGES)), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.stem = nn.Sequential(conv_bn_relu(3, STEM, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.ModuleList()
        channels = STEM
        for width, blocks in STAGES:
            further = (Xception39Block(4 * width, width, halves=False) for _ in range(blocks - 1))
            self.stages.append(nn.Sequential(Xception39Block(channels, width, halves=True), *further))
            channels = 4 * width

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the stem and the stages and keep what each gives."""
        features = [self.stem(self.normalise(images))]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features


def _separable_conv_bn(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Depthwise 3x3, pointwise 1x1, batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )
