"""Every score of a checkpoint over some frames."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from msaseg.data.dataset import Batch
from msaseg.evaluate.augmentation import class_scores
from msaseg.evaluate.boundary import BoundaryScore
from msaseg.records.provenance import best_precision
from msaseg.training.metrics import confusion_matrix, scores
from msaseg.training.restore import Restored

MIXED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def precision(restored: Restored) -> str:
    """Return what the run would compute in here: only so are its scores met to the last digit."""
    asked = str(restored.config["trainer"]["precision"])
    on_cpu = str(restored.config["protocol"]["cpu_precision"])
    meant = best_precision(on_cpu, gpu=next(restored.net.parameters()).is_cuda) if asked == "auto" else asked
    return meant if meant in MIXED else "32-true"


def score(restored: Restored, batches: Iterable[Batch], classes: tuple[str, ...], tta: str) -> dict[str, Any]:
    """Predict and score at the labels' own size, in `precision`.

    A net with more classes than are scored (void) chooses among those that are.

    Args:
        restored: the net.
        batches: images at the input size, labels at their own.
        classes: those that are scored.
        tta: test-time augmentation, a key of `augmentation.VIEWS`.

    Returns:
        The scores of `msaseg.training.metrics.scores` and of `BoundaryScore`, and the `confusion` matrix.
    """
    device = next(restored.net.parameters()).device
    matrix = confusion_matrix(len(classes)).to(device)
    outlines = BoundaryScore(classes)
    kind = MIXED.get(precision(restored))
    autocast = torch.autocast(device.type, kind or torch.bfloat16, enabled=kind is not None, cache_enabled=False)
    with torch.inference_mode(), autocast:
        for batch in batches:
            labels = batch["label"]
            height, width = labels.shape[-2:]
            maps = class_scores(restored.logits, batch["image"].to(device), (height, width), tta)
            predicted = maps[:, : len(classes)].argmax(1)
            matrix.update(predicted, labels.to(device).long())
            for each, truth in zip(predicted.cpu().numpy().astype(np.uint8), labels.numpy(), strict=True):
                outlines.update(each, truth)
    confusion = matrix.compute().cpu()
    return {**scores(confusion, classes), **outlines.compute(), "confusion": confusion.tolist()}
