"""The context module of Table 1: six dilated convolutions that see 65 x 127 positions."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

KERNEL = 3


class ContextLayer(NamedTuple):
    """One column of Table 1; every pair is (width, height)."""

    layer: int
    filter_size: tuple[int, int]
    dilation: tuple[int, int]
    receptive_field: tuple[int, int]
    feature_maps: int
    activation: str


class ContextModule(nn.Module):
    """Six 3x3 convolutions with growing dilation, ReLU after each, zero padding equal to the dilation.

    The dilations grow twice as far down as across, as printed, and are counted in positions of the map that
    comes in, whatever its stride. On a map with fewer rows than a dilation that layer's outer taps see
    padding only: at 224x224 the stride-8 map has 28 rows and the last layer's vertical dilation is 32. Kept
    as printed.

    No normalisation, as printed; so the weights start with He's spread and zero biases: torch's default would
    shrink the signal two hundredfold over six plain layers.

    Shape:
        maps: (N, in_channels, h, w).
        returns: (N, feature_maps[-1], h, w).

    Args:
        in_channels: of the map that comes in.
        dilations: (width, height) of each layer, the paper's order; torch's `dilation` is (height, width).
        feature_maps: of each layer.

    Raises:
        ValueError: if `dilations` and `feature_maps` differ in length.

    Source: paper, Table 1.

    >>> ContextModule(64).layers()[-1]  # doctest: +NORMALIZE_WHITESPACE
    ContextLayer(layer=6, filter_size=(3, 3), dilation=(16, 32), receptive_field=(65, 127), feature_maps=32,
        activation='ReLU')
    """

    def __init__(
        self,
        in_channels: int,
        dilations: Sequence[tuple[int, int]] = ((1, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32)),
        feature_maps: Sequence[int] = (128, 128, 128, 128, 128, 32),
    ) -> None:
        super().__init__()
        if len(dilations) != len(feature_maps):
            raise ValueError(f"{len(dilations)} dilations for {len(feature_maps)} feature_maps: give one each")
        self.convolutions = nn.ModuleList()
        self.relu = nn.ReLU(inplace=True)
        self.out_channels = feature_maps[-1]
        for (across, down), width in zip(dilations, feature_maps, strict=True):
            conv = nn.Conv2d(in_channels, width, KERNEL, dilation=(down, across), padding=(down, across))
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # a convolution has a bias unless told otherwise
            self.convolutions.append(conv)
            in_channels = width

    def forward(self, maps: Tensor) -> Tensor:
        """Run the layers one after the other; the size stays."""
        for conv in self.convolutions:
            maps = self.relu(conv(maps))
        return maps

    def layers(self) -> list[ContextLayer]:
        """Table 1, read from the convolutions themselves."""
        rows = []
        width = height = 1
        for number, conv in enumerate(self.convolutions, start=1):
            assert isinstance(conv, nn.Conv2d)
            (down, across), (tall, wide) = conv.dilation, conv.kernel_size
            width, height = width + (wide - 1) * across, height + (tall - 1) * down
            sizes = (wide, tall), (across, down), (width, height)
            rows.append(ContextLayer(number, *sizes, conv.out_channels, type(self.relu).__name__))
        return rows
