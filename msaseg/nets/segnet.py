"""SegNet: VGG16's convolutions, and a mirrored decoder that puts each maximum back where it was found."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import conv_bn_relu
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.net import SegmentationNet


class Places(NamedTuple):
    """Where the maxima of a 2x2 pooling were, and the height and width of the map that they were in."""

    indices: Tensor
    size: tuple[int, int]


def pool(maps: Tensor) -> tuple[Tensor, Places]:
    """Take the maximum of each 2x2 window; at an odd size the last windows have one row or column.

    Windows do not overlap, so no two maxima come from one place and `unpool` never has to choose between values.

    Shape:
        maps: (N, C, h, w).
        returns: (N, C, ceil(h / 2), ceil(w / 2)), and the places of the maxima.
    """
    height, width = maps.shape[-2:]
    maxima, indices = F.max_pool2d(maps, 2, ceil_mode=True, return_indices=True)
    return maxima, Places(indices, (height, width))


def unpool(maps: Tensor, places: Places) -> Tensor:
    """Put each value where `pool` found the maximum of its window, and zeros elsewhere.

    Shape:
        maps: of the shape that `pool` returned.
        returns: of the shape that `pool` was given.
    """
    height, width = places.size
    if not torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return F.max_unpool2d(maps, places.indices, (2, 2), output_size=(height, width))
    empty = maps.new_zeros(*maps.shape[:2], height * width)  # slower, but a traced graph holds it for any size
    return empty.scatter(2, places.indices.flatten(2), maps.flatten(2)).view(*maps.shape[:2], height, width)


class SegNet(SegmentationNet):
    """VGG16's 13 convolutions with batch norm, and the same backwards as a decoder.

    At each step the decoder unpools by the encoder's indices and convolves to the widths that the encoder had there;
    nothing but indices goes from one to the other. The last convolution gives the classes.

    A bias before batch norm changes nothing and gets no gradient, so the encoder's convolutions lose theirs. Poolings
    round sizes up, as in the authors' Caffe, so every size fits without padding. New layers are initialised as
    PyTorch does: behind a batch norm the scale of weights does not matter.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64.
        returns: (N, num_classes, H, W) logits.

    Args:
        num_classes: of the segmentation.
        encoder: a `VGG16Encoder`; its convolutions, and their weights, are taken over.

    Raises:
        ValueError: for another encoder.

    Source: SegNet (Badrinarayanan et al. 2017).
    """

    padded_to = 1  # sizes are rounded up instead
    encoder: VGG16Encoder

    def __init__(self, num_classes: int, encoder: VGG16Encoder | str) -> None:
        super().__init__(encoder)
        if not isinstance(self.encoder, VGG16Encoder):
            raise ValueError(f"encoder must be a VGG16Encoder, not a {type(self.encoder).__name__}")
        convs = [layer for layer in self.encoder.features if isinstance(layer, nn.Conv2d)]
        for conv in convs:
            conv.bias = None
        self.norms = nn.ModuleList(nn.BatchNorm2d(conv.out_channels) for conv in convs)
        self.decoder = _mirrored(self.encoder)
        self.classifier = nn.Conv2d(convs[0].out_channels, num_classes, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Go down, then up the same way."""
        maps, ways_down = self._encode(images)  # (N, 512, H/32, W/32)
        for stage, places in zip(self.decoder, reversed(ways_down), strict=True):
            maps = stage(unpool(maps, places))
        logits: Tensor = self.classifier(maps)
        return logits

    def _encode(self, images: Tensor) -> tuple[Tensor, list[Places]]:
        maps = self.encoder.normalise(images)
        norms = iter(self.norms)
        found = []
        for layer in self.encoder.features:
            if isinstance(layer, nn.Conv2d):
                maps = next(norms)(layer(maps))
            elif isinstance(layer, nn.MaxPool2d):
                maps, places = pool(maps)
                found.append(places)
            else:
                maps = layer(maps)
        return maps, found


def _mirrored(encoder: VGG16Encoder) -> nn.ModuleList:
    """A stage for each pooling, from the last to the first; the first convolution's place is the classifier's."""
    stages: list[nn.Sequential] = []
    for layer in reversed(list(encoder.features)[1:]):
        if isinstance(layer, nn.MaxPool2d):
            stages.append(nn.Sequential())
        elif isinstance(layer, nn.Conv2d):
            stages[-1].append(conv_bn_relu(layer.out_channels, layer.in_channels))
    return nn.ModuleList(stages)
