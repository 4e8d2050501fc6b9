"""Multi-scale fusion: at each stride, the maps of all stages become one."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from msaseg.nets.blocks import resize, separable_conv_bn_relu

COARSEST = 64
"""The last stride of Fig. 3 ("1/64 up"); coarser maps join the maps there."""


class MultiScaleFusion(nn.Module):
    """Concatenate all maps of a stride, whatever stage they come from, and mix them.

    Maps coarser than stride 64 are resampled bilinearly (pixels taken as areas, `align_corners=False`) to the
    stride-64 grid and join its concatenation, as in pyramid pooling.

    Shape:
        pooled: stride -> maps of (N, width, ceil(H / stride), ceil(W / stride)).
        returns: stride -> one map of that size, for every stride up to 64.

    Args:
        width: channels of every map, before and after.
        maps_per_stride: how many maps `forward` receives at each stride.

    Source: paper, Fig. 3 ("1/8, 1/16, 1/32, 1/64 up", each with a concat).
    """

    def __init__(self, width: int, maps_per_stride: Mapping[int, int]) -> None:
        super().__init__()
        joined: dict[int, int] = {}
        for stride, count in maps_per_stride.items():
            target = min(stride, COARSEST)
            joined[target] = joined.get(target, 0) + count
        self.mix = nn.ModuleDict(
            {str(stride): separable_conv_bn_relu(count * width, width) for stride, count in joined.items()}
        )

    def forward(self, pooled: Mapping[int, list[Tensor]]) -> dict[int, Tensor]:
        """Join and mix, stride by stride."""
        fused = {}
        for name, mix in self.mix.items():
            maps = list(pooled[int(name)])
            if int(name) == COARSEST:
                coarser = [stride for stride in pooled if stride > COARSEST]
                maps += [resize(tensor, maps[0].shape[-2:]) for stride in coarser for tensor in pooled[stride]]
            fused[int(name)] = mix(torch.cat(maps, dim=1))
        return fused
