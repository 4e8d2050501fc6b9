"""Spatial pooling: each encoder stage seen at N further, coarser strides."""

from collections.abc import Collection, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.nets.blocks import conv_bn_relu
from msaseg.nets.encoders.encoder import STRIDES


class SpatialPooling(nn.Module):
    """Project each stage to one width and pool it N times by 2x2 maxima of stride 2.

    The pooling rounds sizes up, so a map of one row or column keeps it, and a 1x1 map is repeated: the
    graph does not depend on the input size. A stage's own map counts as the pooling of order 0, except for
    the stride-4 stage, which contributes through its poolings only. Only maps of the wanted strides are kept,
    and those coarser than all of them; a stage of which no map is kept has no projection: nothing is built
    that does not reach the output.

    Shape:
        features: four maps at strides 4, 8, 16 and 32.
        returns: stride -> its maps, each (N, width, ceil(H / stride), ceil(W / stride)), from the coarsest
            stage's to the finest's.

    Args:
        in_channels: of the four maps.
        width: channels after the projection (1x1 convolution, batch norm, ReLU).
        num_poolings: N, 0 to 5.
        strides: that are wanted, at least 8; maps coarser than all of them are kept too.

    Source: paper, section 3.3 (Table 2) and 3.2 ("2*2 filters and strides of 2*2").

    >>> SpatialPooling((8, 16, 24, 32), width=4, num_poolings=1).maps_per_stride
    {8: 2, 16: 2, 32: 2, 64: 1}
    """

    def __init__(
        self, in_channels: Sequence[int], width: int, num_poolings: int, strides: Collection[int] = (8, 16, 32, 64)
    ) -> None:
        super().__init__()
        self.num_poolings = num_poolings
        self.strides = frozenset(strides)
        self.projections = nn.ModuleDict(
            {
                str(stride): conv_bn_relu(channels, width, kernel=1)
                for stride, channels in zip(STRIDES, in_channels, strict=True)
                if any(self._keeps(stride * 2**order) for order in range(num_poolings + 1))
            }
        )

    def _keeps(self, stride: int) -> bool:
        return stride in self.strides or stride > max(self.strides)

    @property
    def maps_per_stride(self) -> dict[int, int]:
        """How many maps `forward` returns at each stride, finest stride first."""
        kept = [
            int(stride) * 2**order
            for stride in self.projections
            for order in range(self.num_poolings + 1)
            if self._keeps(int(stride) * 2**order)
        ]
        return {stride: kept.count(stride) for stride in sorted(set(kept))}

    def forward(self, features: Sequence[Tensor]) -> dict[int, list[Tensor]]:
        """Project and pool each stage, and sort its maps by stride."""
        pooled: dict[int, list[Tensor]] = {stride: [] for stride in self.maps_per_stride}
        for first, stage in reversed(list(zip(STRIDES, features, strict=True))):
            if str(first) not in self.projections:
                continue
            maps = self.projections[str(first)](stage)
            for order in range(self.num_poolings + 1):
                stride = first * 2**order
                if order > 0:
                    maps = F.max_pool2d(maps, 2, stride=2, ceil_mode=True)
                if self._keeps(stride):
                    pooled[stride].append(maps)
        return pooled
