"""A small encoder learnt from scratch."""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from msaseg.nets.blocks import conv_bn_relu, separable_conv_bn_relu
from msaseg.nets.encoders.encoder import Encoder


class ConvEncoder(Encoder):
    """Four small stages learnt from scratch: for smoke runs and tests, where a second is a long time.

    A stem of stride 2, then in each stage a 3x3 convolution of stride 2 and a separable one.
    """

    def __init__(self, channels: Sequence[int] = (16, 24, 32, 48)) -> None:
        super().__init__(channels, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        widths = (self.channels[0], *self.channels)
        self.stem = conv_bn_relu(3, widths[0], stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(conv_bn_relu(coarse, fine, stride=2), separable_conv_bn_relu(fine, fine))
            for coarse, fine in itertools.pairwise(widths)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the stem and keep what each stage gives."""
        x = self.stem(self.normalise(images))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
