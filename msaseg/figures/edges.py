"""What passes along the edges of a MSANet: what Fig. 3 is drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Shape = tuple[int, int, int]
"""(channels, height, width) of one image's maps."""


@dataclass(frozen=True)
class Branch:
    """A decoder: its maps by stride.

    Args:
        start: stride of the fused map that it starts from.
        upsampled: stride to what its transposed convolution gives.
        joined: stride to that with the encoder's map beside it.
        attends: strides of the maps that pass spatial attention.
        last: (kernel, stride) of the last transposed convolution.
        full: what that gives.
        output: the same cut to the image's size.
    """

    start: int
    upsampled: Mapping[int, Shape]
    joined: Mapping[int, Shape]
    attends: Sequence[int]
    last: tuple[int, int]
    full: Shape
    output: Shape


@dataclass(frozen=True)
class Edges:
    """What passes along the edges of a MSANet; maps are by stride.

    Args:
        encoder: name of the encoder.
        poolings: N of Table 2.
        image: that comes in.
        padded: the same as the encoder gets it.
        stages: of the encoder.
        projected: the stages after their 1x1 convolution.
        pooled: every map that the poolings give.
        joined: the maps of a stride, concatenated, coarser ones resampled to the coarsest.
        fused: those mixed.
        context: what the context module makes of the finest fused map; None without one.
        branches: name to decoder; all but the first serve training alone.
    """

    encoder: str
    poolings: int
    image: Shape
    padded: Shape
    stages: Mapping[int, Shape]
    projected: Mapping[int, Shape]
    pooled: Mapping[int, Sequence[Shape]]
    joined: Mapping[int, Shape]
    fused: Mapping[int, Shape]
    context: Shape | None
    branches: Mapping[str, Branch]
