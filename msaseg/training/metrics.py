"""The scores of a split, all from one confusion matrix summed over the whole split.

The definitions (docs/protocols.md): mIoU is the macro mean over classes, never the mean of batches or
of images. A class absent from both truth and prediction has no IoU: it is left out of the mean, and counted.
"""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from msaseg.classes import IGNORE


def confusion_matrix(num_classes: int) -> MulticlassConfusionMatrix:
    """Return the metric that sums pixels over a split: rows truth, columns prediction.

    Shape:
        preds: (N, H, W) class indices.
        target: (N, H, W) class indices, or `IGNORE`.
        compute(): (num_classes, num_classes) int64.
    """
    return MulticlassConfusionMatrix(num_classes, ignore_index=IGNORE, validate_args=False)


def frame_matrices(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Return the confusion matrix of each image of a batch.

    Shape:
        predicted: (N, H, W) class indices.
        labels: (N, H, W) class indices, or `IGNORE`.
        returns: (N, num_classes, num_classes) int64 pixels, rows truth, columns prediction.
    """
    first = num_classes**2 * torch.arange(len(labels), device=labels.device).view(-1, 1, 1)
    cells = first + num_classes * labels + predicted
    counts = torch.bincount(cells[labels != IGNORE], minlength=len(labels) * num_classes**2)
    return counts.view(len(labels), num_classes, num_classes)


def scores(confusion: Tensor | NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return the scores of a confusion matrix, in percent.

    Shape:
        confusion: (C, C) pixel counts, rows truth, columns prediction.

    Args:
        confusion: summed over every image of a split.
        classes: the C names.

    Returns:
        `miou_pct` (Eq. 4 averaged over classes), `class_accuracy_pct` (mean recall: the paper's "mean accuracy
        per class"), `pixel_accuracy_pct`, each None without any pixel; `iou_pct` and `recall_pct` a class,
        None where undefined; `absent_classes`, the names left out of `miou_pct`.

    Source: paper, Eq. 4 and section 4.

    >>> scores(torch.tensor([[3, 1], [0, 4]]), ["road", "sky"])["miou_pct"]
    77.5
    """
    counts = torch.as_tensor(confusion, dtype=torch.float64)
    hit = counts.diagonal()
    truth, predicted = counts.sum(1), counts.sum(0)
    iou = hit / (truth + predicted - hit)  # nan for an absent class: 0 / 0
    recall = hit / truth
    return {
        "miou_pct": _percent(iou.nanmean()),
        "class_accuracy_pct": _percent(recall.nanmean()),
        "pixel_accuracy_pct": _percent(hit.sum() / counts.sum()),
        "iou_pct": {name: _percent(value) for name, value in zip(classes, iou, strict=True)},
        "recall_pct": {name: _percent(value) for name, value in zip(classes, recall, strict=True)},
        "absent_classes": [name for name, value in zip(classes, iou, strict=True) if value.isnan()],
    }


def _percent(fraction: Tensor) -> float | None:
    return None if fraction.isnan() else round(100 * fraction.item(), 4)
