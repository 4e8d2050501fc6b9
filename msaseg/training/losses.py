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
        labels: (N, H, W) integers, 0 to C - 1 or `ignore_index`.
        returns: a scalar.

    Args:
        ignore_index: label of the pixels that do not count.

    Source: paper, section 3.2 (categorical cross entropy); the reading "on logits" is the field's.
    """

    def __init__(self, ignore_index: int = IGNORE) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Average over the pixels of the whole batch, not over images."""
        total = F.cross_entropy(logits.float(), labels.long(), ignore_index=self.ignore_index, reduction="sum")
        return mean_over(total, labels != self.ignore_index, training=self.training)


def boundary_target(labels: Tensor, width: int = 1, ignore_index: int = IGNORE) -> Tensor:
    """Mark the pixels at which the class changes to the right or below, on both sides of the change.

    A pair with an ignored pixel is no change.

    Shape:
        labels: (N, H, W) integers.
        returns: (N, H, W) booleans.

    Args:
        labels: classes and `ignore_index`.
        width: marked pixels on each side of a change, 1 or more.
        ignore_index: label of the pixels that do not count.
    """
    counts = labels != ignore_index
    across = (labels[..., :, 1:] != labels[..., :, :-1]) & counts[..., :, 1:] & counts[..., :, :-1]
    down = (labels[..., 1:, :] != labels[..., :-1, :]) & counts[..., 1:, :] & counts[..., :-1, :]
    marked = torch.zeros_like(counts)
    marked[..., :, 1:] |= across
    marked[..., :, :-1] |= across
    marked[..., 1:, :] |= down
    marked[..., :-1, :] |= down
    if width > 1:
        grown = F.max_pool2d(marked.float().unsqueeze(1), 2 * width - 1, stride=1, padding=width - 1)
        marked = grown.squeeze(1) > 0
    return marked


class BoundaryLoss(nn.Module):
    """Binary cross entropy of the class boundaries, half from boundary pixels, half from the others.

    Boundaries are a few per cent of the pixels; an unbalanced mean is minimised by predicting none. So the
    mean over boundary pixels and the mean over the rest count half each. The class boundary supervision
    that this follows publishes no weights, so the simplest balance was chosen; its size does not depend on
    how many boundary pixels a batch has. A kind of pixel that a batch lacks adds 0.

    Shape:
        logits: (N, 1, H, W).
        labels: (N, H, W) integers, classes and `ignore_index`.
        returns: a scalar, float32.

    Args:
        width: of the target, marked pixels on each side of a change.
        ignore_index: label of the pixels that do not count.

    Raises:
        ValueError: for a width below 1.

    Source: MSFNet's Class Boundary Supervision (Si et al. 2019), which Table 3's "branches" belong to.
    """

    def __init__(self, width: int = 1, ignore_index: int = IGNORE) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be 1 or more pixels, not {width}")
        self.width = width
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Build the target from the labels and average over the whole batch."""
        target = boundary_target(labels, self.width, self.ignore_index)
        each = F.binary_cross_entropy_with_logits(logits.float().squeeze(1), target.float(), reduction="none")
        counts = labels != self.ignore_index
        kinds = (target & counts, ~target & counts)
        edge, rest = (mean_over(each * where, where, training=self.training) for where in kinds)
        return (edge + rest) / 2
