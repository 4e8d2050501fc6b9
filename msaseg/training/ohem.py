"""Cross entropy of the hard pixels only: online hard example mining."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.classes import IGNORE
from msaseg.training.losses import mean_over


class OhemLoss(nn.Module):
    """Mean cross entropy over the pixels whose own class has a probability of at most `threshold`.

    If these are fewer than `min_kept` of all pixels of the batch, the hardest ones up to that number count (with ties
    more, with fewer labelled pixels fewer). It is computed in float32 whatever the logits' precision. A batch without
    labelled pixels gives 0, with a gradient of 0; a logit that is not finite gives a loss that is not.

    Shape:
        logits: (N, C, H, W).
        labels: (N, H, W) integers, 0 to C - 1 or `IGNORE`.
        returns: a scalar.

    Args:
        threshold: probability, above 0 and below 1.
        min_kept: share of the batch's pixels, above 0 and at most 1; of each process's part where several share it.

    Raises:
        ValueError: for a threshold or a share out of its range.

    Source: BiSeNet (Yu et al. 2018) for the threshold; the share is that of its authors' code.
    """

    def __init__(self, threshold: float = 0.7, min_kept: float = 1 / 16) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be a probability above 0 and below 1, not {threshold}")
        if not 0 < min_kept <= 1:
            raise ValueError(f"min_kept must be a share above 0 and at most 1, not {min_kept}")
        self.hard = -math.log(threshold)
        self.min_kept = min_kept

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Average over the kept pixels of the whole batch."""
        each = F.cross_entropy(logits.float(), labels.long(), ignore_index=IGNORE, reduction="none")
        counts = labels != IGNORE
        kept = counts & ~(each < self._limit(each.detach().masked_fill(~counts, 0)))  # `~(<)` keeps a NaN
        return mean_over(each.where(kept, 0), kept, training=self.training)

    def _limit(self, each: Tensor) -> Tensor:
        """Return the smallest loss that is kept, without waiting for the device."""
        number = max(1, int(self.min_kept * each.numel()))
        last_of_the_hardest = each.flatten().topk(number, sorted=True).values[-1]
        return last_of_the_hardest.clamp(max=self.hard)
