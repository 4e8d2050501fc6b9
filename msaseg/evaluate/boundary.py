"""The boundary F-score: how well the outlines of the classes are met."""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from msaseg.classes import IGNORE
from msaseg.data.frames import Pixels
from msaseg.training.losses import boundary_target

TOLERANCE = 0.0075
"""Share of the image's diagonal by which an outline may be off: 4.5 pixels at 360x480."""


class BoundaryScore:
    """The F-score between the outlines of prediction and truth, a class and an image at a time.

    An outline of a class are its pixels that have a pixel of another class beside, above or below them. Precision is
    the share of the predicted outline within the tolerance of the true one (Euclidean distance), recall the share of
    the true one within the tolerance of the predicted one, F their harmonic mean.

    A class's score is the mean of F over the images in which truth or prediction has an outline of it (F is 0 if only
    one has); the score is the mean over classes, as in mIoU. Ignored pixels take no part: the prediction is ignored
    where the truth is, and an edge towards ignored pixels is no outline.

    Args:
        classes: names by index.
        tolerance: share of the diagonal.

    Source: Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013, whose tolerance
    is 0.75 % of the diagonal; the order of the means is ours.
    """

    def __init__(self, classes: Sequence[str], tolerance: float = TOLERANCE) -> None:
        self.classes, self.tolerance = tuple(classes), tolerance
        self.sums = np.zeros(len(classes))
        self.images = np.zeros(len(classes), np.int64)

    def update(self, predicted: Pixels, truth: Pixels) -> None:
        """Add one image.

        Shape:
            predicted: (H, W) classes.
            truth: (H, W) classes or `IGNORE`.
        """
        predicted = np.where(truth == IGNORE, IGNORE, predicted).astype(np.uint8)
        outlines = _outlines(predicted), _outlines(truth)
        radius = self.tolerance * math.hypot(*truth.shape)
        for index in range(len(self.classes)):
            found, true = outlines[0] & (predicted == index), outlines[1] & (truth == index)
            if found.any() or true.any():
                self.images[index] += 1
                self.sums[index] += _f_score(found, true, radius)

    def compute(self) -> dict[str, Any]:
        """Return `boundary_f_pct` (None without any outline), a class each, and the tolerance."""
        each = {
            name: round(100 * total / images, 4) if images else None
            for name, total, images in zip(self.classes, self.sums.tolist(), self.images.tolist(), strict=True)
        }
        known = [value for value in each.values() if value is not None]
        mean = round(sum(known) / len(known), 4) if known else None
        return {"boundary_f_pct": mean, "boundary_f_class_pct": each, "boundary_tolerance": self.tolerance}


def _outlines(labels: Pixels) -> NDArray[np.bool_]:
    marked: NDArray[np.bool_] = boundary_target(torch.from_numpy(labels)[None])[0].numpy()
    return marked


def _f_score(found: NDArray[np.bool_], true: NDArray[np.bool_], radius: float) -> float:
    if not (found.any() and true.any()):
        return 0.0
    precision = float((_distance(true)[found] <= radius).mean())
    recall = float((_distance(found)[true] <= radius).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _distance(outline: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each pixel's distance to the nearest one of the outline."""
    away = cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away, np.float32)
