"""FCN-8s of Long, Shelhamer and Darrell: the net that the paper's section 3.2 paraphrases, as its authors have it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from msaseg.nets.blocks import crop, pad
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.net import SegmentationNet


class FCN8s(SegmentationNet):
    """VGG16 made convolutional, scores of three strides summed step by step.

    The transposed convolutions start as bilinear enlargements and are learnt; whether they are learnt or fixed makes
    no difference that matters, say the authors. Trained at once, so with their factors of pool3 and pool4. The
    first convolution's padding of 100, which Caffe needed, is replaced by "same" padding.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits.

    Args:
        num_classes: of the segmentation.
        encoder: VGG16 in FCN-8s; its three coarsest maps (pool3 to pool5) are used.
        fc_channels: of conv6 and conv7. 4096 makes 134.36 million parameters with VGG16 and 12 classes.
        skip_scales: factors of pool3 and pool4 before their 1x1 convolutions.

    Source: Shelhamer et al. 2017 and its authors' code (voc-fcn8s-atonce).
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
        self.conv6 = nn.Conv2d(channels5, fc_channels, 7, padding=3)
        self.conv7 = nn.Conv2d(fc_channels, fc_channels, 1)
        self.drop = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.score = nn.Conv2d(fc_channels, num_classes, 1)
        self.score_pool4 = nn.Conv2d(channels4, num_classes, 1)
        self.score_pool3 = nn.Conv2d(channels3, num_classes, 1)
        self.up_score = bilinear_upsampling(num_classes, 2)
        self.up_sum = bilinear_upsampling(num_classes, 2)
        self.up_last = bilinear_upsampling(num_classes, 8)

    def forward(self, images: Tensor) -> Tensor:
        """Sum the scores at strides 32, 16 and 8, then enlarge them eightfold."""
        _, pool3, pool4, pool5 = self.encoder(pad(images))
        scores = self.score(self.drop(self.conv7(self.drop(self.conv6(pool5)))))  # (N, num_classes, H/32, W/32)
        at16 = self.up_score(scores) + self.score_pool4(self.scale_pool4 * pool4)
        at8 = self.up_sum(at16) + self.score_pool3(self.scale_pool3 * pool3)
        return crop(self.up_last(at8), images)


def bilinear_upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution without bias that starts as a bilinear enlargement of each channel.

    Args:
        channels: in and out.
        factor: of height and width, even.
    """
    up = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=factor // 2, bias=False)
    line = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
    with torch.no_grad():
        up.weight.zero_()
        diagonal = torch.arange(channels)
        up.weight[diagonal, diagonal] = line[:, None] * line
    return up
