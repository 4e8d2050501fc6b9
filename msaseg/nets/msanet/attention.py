"""Spatial attention: every position looks at every other (Eq. 1 and 2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PositionAttention(nn.Module):
    """Add to each position a softmax-weighted sum of the values of all positions.

    With queries B, keys A and values D, 1x1 convolutions of the input C with biases:
    S_ji = softmax over i of A_i . B_j (Eq. 1) and E_j = alpha * sum_i S_ji D_i + C_j (Eq. 2).
    The paper's symbols are muddled (it generates "B and C" from C, and prints beta and X in the text); this
    is the position attention of DANet, from which both equations come.

    The N x N matrix S is never in memory: torch's fused attention runs over blocks, on a CPU only if
    queries, keys and values have one width and adjacent channels. So the C/8 channels of the first two are
    filled up with zeros, which change no product; where multiply-adds are counted, on the meta device, they are not,
    since the zeros are no part of the equations. The scale is 1: Eq. 1 has none.

    Shape:
        maps: (N, channels, h, w).
        returns: the same.

    Args:
        channels: C; queries and keys have C / 8.

    `alpha` is a learnt scalar that starts at 0, so the module starts as the identity.

    Source: paper, Eq. 1-2; Fu et al. 2019 (DANet).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = max(1, channels // 8)
        self.query = nn.Conv2d(channels, reduced, 1)
        self.key = nn.Conv2d(channels, reduced, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """Compute E of Eq. 2."""
        channels = maps.shape[1]
        query, key, value = (
            _as_sequence(conv(maps), channels) for conv in (self.query, self.key, self.value)
        )  # (N, 1, h*w, C)
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return self.alpha * attended[:, 0].mT.reshape(maps.shape) + maps


def _as_sequence(maps: Tensor, width: int) -> Tensor:
    """(N, c, h, w) to (N, 1, h*w, width), adjacent channels, those beyond c zero."""
    sequence = maps.flatten(2).mT
    missing = 0 if maps.is_meta else width - sequence.shape[-1]
    return F.pad(sequence, (0, missing)).contiguous().unsqueeze(1)
