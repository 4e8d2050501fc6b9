"""Deep Parsing Network: VGG16's scores and one step of mean field inference written as convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import crop, enlarge, pad
from msaseg.nets.deeplab_largefov import check_dilated_vgg16, vgg_head
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.net import SegmentationNet

REACH = 25
"""Positions that the neighbourhood filter reaches in each direction: 51, the odd size next to its authors' 50."""


class MeanField(nn.Module):
    """One step of mean field inference for a Markov random field with triple penalties and mixtures of contexts.

    A filter over the neighbourhood, the same for all labels, gathers how likely each label is around a pixel; a 9x9
    convolution turns this into what each label costs there, in several mixtures of label contexts; the cheapest
    mixture counts ("block min pooling"); the label's unary term is lowered by it.

    In the original the filter of 50x50 positions also depends on the colours at both ends and so on the place. Here it
    depends on the displacement alone: a learnt column times a learnt row, which start as Gaussians.

    Shape:
        scores: (N, num_classes, H, W), the unary term: any real numbers.
        returns: (N, num_classes, H, W) logits.

    Args:
        num_classes: number of labels.
        mixtures: of label contexts, for each label.

    Source: Liu et al. 2015, section 3.2: ln of the sigmoid of the scores, less the pairwise term (their Eq. 12).
    """

    def __init__(self, num_classes: int, mixtures: int = 5) -> None:
        super().__init__()
        self.mixtures = mixtures
        steps = torch.arange(-REACH, REACH + 1) / (REACH / 2)
        gauss = torch.exp(-(steps**2) / 2) / torch.exp(-(steps**2) / 2).sum()
        self.column, self.row = nn.Parameter(gauss.view(1, 1, -1, 1)), nn.Parameter(gauss.view(1, 1, 1, -1).clone())
        self.contexts = nn.Conv2d(num_classes, num_classes * mixtures, 9, padding=4)

    def forward(self, scores: Tensor) -> Tensor:
        """Gather, cost, take the least, subtract."""
        labels, height, width = scores.shape[1:]
        likely = scores.sigmoid().reshape(-1, 1, height, width)
        around = F.conv2d(F.conv2d(likely, self.column, padding=(REACH, 0)), self.row, padding=(0, REACH))
        costs = self.contexts(around.reshape(scores.shape)).reshape(-1, labels, self.mixtures, height, width)
        logits: Tensor = F.logsigmoid(scores) - costs.amin(dim=2)
        return logits


class DeepParsingNetwork(SegmentationNet):
    """DPN: the paper's slowest row of Table 6, for which it cites DFN, another net.

    VGG16 without its last two poolings, conv5 with dilation 2, its first fully connected layer as a 7x7 convolution
    with dilation 4 (25x25 in the original's count), the second as 1x1; scores enlarged bilinearly to the image; then
    `MeanField` at the image's size.

    Its authors train it in stages, the scores first. Here it trains at once, and the scores have a loss of their own.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits; with `auxiliary=True` also a dict, {"unary": logits of the same shape},
            which come at no cost.

    Args:
        num_classes: of the segmentation.
        encoder: a `VGG16Encoder` with `dilated=True`.
        fc_channels: of the two convolutions after VGG16, 4096 in the original.

    Raises:
        ValueError: for another encoder.

    Source: Liu et al. 2015 (arXiv:1509.02634), table 2, as far as it is remembered.
    """

    auxiliaries = ("unary",)
    encoder: VGG16Encoder

    def __init__(self, num_classes: int, encoder: VGG16Encoder, fc_channels: int = 4096) -> None:
        super().__init__(encoder)
        check_dilated_vgg16(encoder)
        self.unary = vgg_head(encoder.channels[-1], fc_channels, num_classes, kernel=7, dilation=4)
        self.mean_field = MeanField(num_classes)

    def forward(self, images: Tensor, auxiliary: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Score at stride 8, enlarge, let neighbours agree."""
        padded = pad(images)
        maps, poolings = self.encoder.normalise(padded), 0
        for layer in self.encoder.features:
            if isinstance(layer, nn.MaxPool2d):
                poolings += 1
                maps = layer(maps) if poolings <= 3 else maps
            else:
                maps = layer(maps)
        enlarged = enlarge(self.unary(maps), 8)
        logits: Tensor = crop(self.mean_field(enlarged), images)
        return (logits, {"unary": crop(enlarged, images)}) if auxiliary else logits
