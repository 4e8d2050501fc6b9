"""The losses: cross entropy for the classes, balanced binary cross entropy for their boundaries."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.classes import IGNORE


def mean_over(values: Tensor, where: Tensor, *, training: bool) -> Tensor:
    """Return the mean over the pixels that are marked; 0, with a gradient of 0, without any.

    Shape:
        values: any; a scalar is their sum.
        where: booleans, one for each pixel.
        returns: a scalar.

    Args:
        values: 0 where they do not count.
        where: the pixels that count.
        training: whether the processes of a run, if it has several, share the batch: the mean over processes, which
            DDP takes, is then that over the pixels of all.
    """
    count, world = where.sum().float(), 1
    if training and dist.is_available() and dist.is_initialized():
        dist.all_reduce(count)
        world = dist.get_world_size()
    return values.sum() * world / count.clamp(min=1)


class SegmentationLoss(nn.Module):
    """Mean cross entropy over the pixels that count, in float32 whatever the logits' precision.

    A batch without such pixels gives 0, with a gradient of 0, instead of NaN.

    Shape:
        logits: (N, C, H, W).
        labels: (N, H, W) integers, 0 to C - 1 or `IGNORE`.
        returns: a scalar.

    Source: paper, section 3.2 (categorical cross entropy); the reading "on logits" is the field's.
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Average over the pixels of the whole batch, not over images."""
        total = F.cross_entropy(logits.float(), labels.long(), ignore_index=IGNORE, reduction="sum")
        return mean_over(total, labels != IGNORE, training=self.training)


def boundary_target(labels: Tensor) -> Tensor:
    """Mark the pixels at which the class changes to the right or below, on both sides of the change.

    A pair with an ignored pixel is no change.

    Shape:
        labels: (N, H, W) integers, classes and `IGNORE`.
        returns: (N, H, W) booleans.
    """
    counts = labels != IGNORE
    across = (labels[..., :, 1:] != labels[..., :, :-1]) & counts[..., :, 1:] & counts[..., :, :-1]
    down = (labels[..., 1:, :] != labels[..., :-1, :]) & counts[..., 1:, :] & counts[..., :-1, :]
    marked = torch.zeros_like(counts)
    marked[..., :, 1:] |= across
    marked[..., :, :-1] |= across
    marked[..., 1:, :] |= down
    marked[..., :-1, :] |= down
    return marked


class BoundaryLoss(nn.Module):
    """Binary cross entropy of the class boundaries, half from boundary pixels, half from the others.

    Boundaries are a few per cent of the pixels; an unbalanced mean is minimised by predicting none. So the
    mean over boundary pixels and the mean over the rest count half each. The weights of the class boundary
    supervision that this follows are not known, so the simplest balance was chosen; its size does not depend on
    how many boundary pixels a batch has. A kind of pixel that a batch lacks adds 0.

    Shape:
        logits: (N, 1, H, W).
        labels: (N, H, W) integers, classes and `IGNORE`.
        returns: a scalar, float32.

    Source: MSFNet's Class Boundary Supervision (Si et al. 2019), which Table 3's "branches" belong to.
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Build the target from the labels and average over the whole batch."""
        target = boundary_target(labels)
        each = F.binary_cross_entropy_with_logits(logits.float().squeeze(1), target.float(), reduction="none")
        counts = labels != IGNORE
        kinds = (target & counts, ~target & counts)
        edge, rest = (mean_over(each * where, where, training=self.training) for where in kinds)
        return (edge + rest) / 2
