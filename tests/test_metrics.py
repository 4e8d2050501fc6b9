"""The suite's one definition of its scores, against an independent NumPy twin."""

import numpy as np
import pytest
import torch

from msaseg.training.metrics import IGNORE, confusion_matrix, scores


def numpy_twin(predicted, truth, num_classes):
    """Count sets of pixels class by class: no confusion matrix, no torch."""
    seen = truth != IGNORE
    ious, recalls, hits = {}, {}, 0
    for k in range(num_classes):
        p, t = (predicted == k) & seen, (truth == k) & seen
        both, either = np.logical_and(p, t).sum(), np.logical_or(p, t).sum()
        hits += both
        ious[k] = both / either if either else None
        recalls[k] = both / t.sum() if t.sum() else None
    mean = [100 * np.mean([v for v in d.values() if v is not None]) for d in (ious, recalls)]
    return mean[0], mean[1], 100 * hits / seen.sum(), ious


def suite_scores(batches, num_classes):
    matrix = confusion_matrix(num_classes)
    for predicted, truth in batches:
        matrix.update(torch.from_numpy(predicted), torch.from_numpy(truth))
    return scores(matrix.compute(), [f"c{k}" for k in range(num_classes)])


@pytest.mark.parametrize("seed", range(5))
def test_scores_on_random_maps_equal_the_numpy_twin(seed):
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(3):
        truth = rng.integers(0, 9, (2, 17, 23))  # classes 9 and 10 are absent
        predicted = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 10, truth.shape))
        truth[rng.random(truth.shape) < 0.1] = IGNORE
        batches.append((predicted, truth))
    found = suite_scores(batches, 11)
    whole = [np.concatenate(part) for part in zip(*batches, strict=True)]
    miou, recall, pixel, ious = numpy_twin(*whole, 11)
    assert found["miou_pct"] == pytest.approx(miou, abs=1e-3)
    assert found["class_accuracy_pct"] == pytest.approx(recall, abs=1e-3)
    assert found["pixel_accuracy_pct"] == pytest.approx(pixel, abs=1e-3)
    assert found["absent_classes"] == ["c10"]
    assert found["iou_pct"]["c10"] is None
    assert found["iou_pct"]["c9"] == 0  # predicted, never true
    assert found["iou_pct"]["c3"] == pytest.approx(100 * ious[3], abs=1e-3)


def test_miou_of_a_split_is_not_the_mean_of_its_batches():
    first = (np.array([[[0, 0, 1, 1]]]), np.array([[[0, 0, 0, 1]]]))
    second = (np.array([[[0, 0, 0, 0]]]), np.array([[[0, 0, 0, 0]]]))
    whole = suite_scores([first, second], 2)["miou_pct"]
    mean = np.mean([suite_scores([batch], 2)["miou_pct"] for batch in (first, second)])
    assert whole == pytest.approx(100 * (6 / 7 + 1 / 2) / 2, abs=1e-3)
    assert abs(whole - mean) > 10


def test_scores_without_a_single_pixel_are_none():
    empty = scores(torch.zeros(2, 2), ["a", "b"])
    assert empty["miou_pct"] is None
    assert empty["pixel_accuracy_pct"] is None
