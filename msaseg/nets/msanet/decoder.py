"""The decoder: from the coarsest fused map back to the image, by transposed convolutions."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from msaseg.nets.blocks import upsample_bn_relu
from msaseg.nets.msanet.attention import PositionAttention

FINEST = 8
"""The stride from which the last transposed convolution goes to full size in one step."""


class DecoderStage(nn.Module):
    """Attend, upsample twofold, join the encoder's map of that stride: concatenated, or projected by 1x1 and added.

    Shape:
        coarse: (N, in_channels, ceil(h / 2), ceil(w / 2)).
        skip: (N, skip_channels, h, w); not looked at if `skip_channels` is 0.
        returns: (N, out_channels, h, w).

    Args:
        in_channels: of the map that comes in.
        width: after the upsampling.
        attends: whether the map that comes in passes spatial attention first.
        skip_channels: of the encoder's map; 0 joins none.
        adds: whether it is added instead of concatenated.
    """

    def __init__(self, in_channels: int, width: int, attends: bool, skip_channels: int, adds: bool) -> None:
        super().__init__()
        self.attention = PositionAttention(in_channels) if attends else nn.Identity()
        self.upsample = upsample_bn_relu(in_channels, width)
        self.project = nn.Conv2d(skip_channels, width, 1) if skip_channels and adds else None
        self.joins = skip_channels > 0
        self.out_channels = width if self.project else width + skip_channels

    def forward(self, coarse: Tensor, skip: Tensor | None, size: tuple[int, int]) -> Tensor:
        """Go one stride finer, to `size` = (h, w)."""
        fine: Tensor = self.upsample(self.attention(coarse))
        fine = fine[..., : size[0], : size[1]]  # a size that was rounded up is cut back
        if not self.joins:
            return fine
        assert skip is not None
        return torch.cat([fine, skip], dim=1) if self.project is None else fine + self.project(skip)


class Decoder(nn.Module):
    """Transposed convolutions 4x4 stride 2 down to stride 8, then one 8x8 stride 8 to full size.

    Attention sits on the map about to be upsampled, also without fusion; at stride 8 that is before the
    last step.

    Shape:
        fused: stride -> (N, c, ceil(H / stride), ceil(W / stride)) for `start` and each
            stride of `skips`.
        size: (H, W), multiples of 32.
        returns: (N, out_channels, H, W).

    Args:
        out_channels: classes, or 1 for boundaries.
        width: channels after each upsampling.
        start: stride of the first map: 64 or 32.
        skips: stride -> channels of the map joined there; empty for no fusion.
        attention_strides: where attention is applied, out of `start` to 8.
        adds: whether maps are projected by 1x1 and added instead of concatenated.

    Source: paper, Fig. 3 and section 3.2 (transposed convolutions, the last with 8x8 filters and strides).
    """

    def __init__(
        self,
        out_channels: int,
        width: int,
        start: int,
        skips: Mapping[int, int],
        attention_strides: Collection[int],
        adds: bool = False,
    ) -> None:
        super().__init__()
        self.start = start
        self.stages = nn.ModuleDict()
        channels, stride = width, start
        while stride > FINEST:
            attends = stride in attention_strides
            stride //= 2
            stage = DecoderStage(channels, width, attends, skips.get(stride, 0), adds)
            self.stages[str(stride)] = stage
            channels = stage.out_channels
        self.attention = PositionAttention(channels) if FINEST in attention_strides else nn.Identity()
        self.to_full_size = nn.ConvTranspose2d(channels, out_channels, FINEST, stride=FINEST)

    def forward(self, fused: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """Go from `start` to the full `size` = (H, W)."""
        height, width = size
        maps = fused[self.start]
        for name, stage in self.stages.items():
            stride = int(name)
            maps = stage(maps, fused.get(stride), (height // stride, width // stride))
        full: Tensor = self.to_full_size(self.attention(maps))
        return full
