"""Replicated backbones with sub-network and sub-stage aggregation, and a light decoder: Eq. 3 and Table 5."""

import torch
from torch import Tensor, nn

from msaseg.nets.blocks import check_choice, conv_bn_relu, crop, enlarge, pad, resize
from msaseg.nets.dfanet.xception import WIDTHS, Backbone, StageMaps, XceptionEncoder
from msaseg.nets.net import SegmentationNet


class AggregationEncoder(nn.Module):
    """One to four backbones, each working on what the one before it found.

    Sub-network aggregation: the attended map of a backbone, enlarged four times, is what the next one starts from.
    Sub-stage aggregation: each stage of it also sees the same stage of the one before (Eq. 3). Each backbone has
    weights of its own and works at half the resolution of the one before.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], H and W multiples of 32.
        returns: for each backbone n = 0, 1, ... its `StageMaps`, at strides 4, 8 and 16 times 2^n, sizes rounded up.

    Args:
        variant: "A" or "B", the widths of every backbone.
        replicas: number of backbones, 1 to 4.

    Raises:
        ValueError: names the argument, its allowed values and the one given.

    Source: paper, Table 5 ("×N"); DFANet (Li et al. 2019), section 3.2.
    """

    def __init__(self, variant: str = "A", replicas: int = 1) -> None:
        super().__init__()
        check_choice("replicas", replicas, (1, 2, 3, 4))
        self.first = XceptionEncoder(variant)
        widths = first, second, third = WIDTHS[variant]
        joined = (third + first, first + second, second + third)
        self.further = nn.ModuleList(Backbone(joined, widths) for _ in range(replicas - 1))

    def forward(self, images: Tensor) -> list[StageMaps]:
        """Run the backbones one after the other."""
        found = [self.first.stages(images)]
        for backbone in self.further:
            before = found[-1]
            found.append(backbone(resize(before.attended, before.first.shape[-2:]), before))
        return found


class AggregationNet(SegmentationNet):
    """The replicated backbones and DFANet's decoder.

    The first stages of all backbones are brought to 32 channels and to stride 4 and summed; a 3x3 convolution mixes
    them. Their scores and those of the attended maps, enlarged, are summed and enlarged four times. DFANet does
    not print the decoder's width, and its re-implementations have 32, 48 and 64; with 32 the multiply-adds of A ×3 with
    decoder are the 3.4 G that DFANet prints.

    A map of stride 64 or 128 of a 64x64 input has one position: training then needs two images a batch or
    more, for batch norm.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits.

    Args:
        num_classes: of the segmentation.
        variant: "A" or "B".
        replicas: number of backbones, 1 to 4.
        decoder_width: channels of the decoder.

    Raises:
        ValueError: as in `AggregationEncoder`.

    Source: paper, Table 5; DFANet (Li et al. 2019), section 3.2, and its re-implementations.
    """

    encoder: AggregationEncoder

    def __init__(self, num_classes: int, variant: str = "A", replicas: int = 1, decoder_width: int = 32) -> None:
        super().__init__()
        self.encoder = AggregationEncoder(variant, replicas)
        first, _, third = WIDTHS[variant]
        self.reduce = nn.ModuleList(conv_bn_relu(first, decoder_width, kernel=1) for _ in range(replicas))
        self.mix = conv_bn_relu(decoder_width, decoder_width)
        self.score = nn.Conv2d(decoder_width, num_classes, 1)
        self.score_attended = nn.ModuleList(nn.Conv2d(third, num_classes, 1, bias=False) for _ in range(replicas))

    def forward(self, images: Tensor) -> Tensor:
        """Sum the shallow maps, mix, score, add the scores of the deep ones."""
        found = self.encoder(pad(images))
        size = found[0].first.shape[-2:]  # stride 4
        shallow = [resize(reduce(maps.first), size) for reduce, maps in zip(self.reduce, found, strict=True)]
        scores: Tensor = self.score(self.mix(torch.stack(shallow).sum(0)))
        for score, maps in zip(self.score_attended, found, strict=True):
            scores = scores + resize(score(maps.attended), size)
        return crop(enlarge(scores, 4), images)
