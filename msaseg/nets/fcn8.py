"""The FCN-8 that section 3.2 of the paper describes, word for word."""

from collections.abc import Sequence

from torch import Tensor, nn

from msaseg.nets.blocks import crop, pad
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.net import SegmentationNet


class FCN8(SegmentationNet):
    """VGG16, two convolutions, three transposed convolutions; the skips are added at stride 8.

    The paper prints "strides of 7*7 and 1*1" for the two convolutions, read as kernel sizes; "4*4 kernel
    and strides of 4*4" for four transposed convolutions, of which only the one on the stride-32 map can
    have them; and no padding, with which a 7x7 kernel does not fit on the last map. The reading is the
    tutorial network that the section paraphrases: "same" padding, no batch norm, no dropout, no bias in the
    transposed convolutions, and the tutorial's initialisation (Glorot uniform, zero biases).

    The paper's words leave out what makes the network train: VGG16 has no batch norm, and with the input that its
    weights expect, its pool3 and pool4 are much larger than what the last layers yield, so the first loss is far above
    ln(num_classes) and Adam settles there. The tutorial feeds the same weights RGB from -1 to 1 instead, a hundredth of
    what they expect, and needs no more: that is the text to the letter (`fcn8_tutorial`: the encoder's
    `tutorial_input`, and scales of 1). With the weights' own input both maps are scaled first, by the constants of
    Shelhamer's FCN-8s trained at once.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits.

    Args:
        num_classes: 12 in the paper: void is scored as a class.
        encoder: VGG16 in the paper; its three coarsest maps (pool3 to pool5) are used.
        fc_channels: of the two convolutions. 4096 makes 135,066,008 parameters with VGG16 and 12 classes.
        skip_scales: factors of pool3 and pool4 before their 1x1 convolutions.

    Source: paper, section 3.2.
    """

    encoder: Encoder

    def __init__(
        self,
        num_classes: int,
        encoder: Encoder | str,
        fc_channels: int = 4096,
        skip_scales: Sequence[float] = (1e-4, 1e-2),
    ) -> None:
        super().__init__(encoder)
        self.scale_pool3, self.scale_pool4 = skip_scales
        _, channels3, channels4, channels5 = self.encoder.channels
        self.conv6 = nn.Sequential(nn.Conv2d(channels5, fc_channels, 7, padding=3), nn.ReLU(inplace=True))
        self.conv7 = nn.Sequential(nn.Conv2d(fc_channels, fc_channels, 1), nn.ReLU(inplace=True))
        self.up_conv7 = nn.ConvTranspose2d(fc_channels, num_classes, 4, stride=4, bias=False)
        self.score_pool4 = nn.Sequential(nn.Conv2d(channels4, num_classes, 1), nn.ReLU(inplace=True))
        self.up_pool4 = nn.ConvTranspose2d(num_classes, num_classes, 2, stride=2, bias=False)
        self.score_pool3 = nn.Sequential(nn.Conv2d(channels3, num_classes, 1), nn.ReLU(inplace=True))
        self.up_sum = nn.ConvTranspose2d(num_classes, num_classes, 8, stride=8, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        for name, parameter in self.named_parameters():
            if name.startswith("encoder."):
                continue
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Add the three score maps at stride 8, then upsample."""
        _, pool3, pool4, pool5 = self.encoder(pad(images))
        conv7 = self.conv7(self.conv6(pool5))  # (N, fc, H/32, W/32)
        skip4 = self.up_pool4(self.score_pool4(self.scale_pool4 * pool4))  # (N, num_classes, H/8, W/8)
        skip3 = self.score_pool3(self.scale_pool3 * pool3)
        total = self.up_conv7(conv7) + skip4 + skip3
        return crop(self.up_sum(total), images)  # (N, num_classes, H, W)
