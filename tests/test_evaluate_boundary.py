"""The boundary F-score, held to a plain loop."""

import math

import numpy as np
import pytest

from msaseg.classes import IGNORE
from msaseg.evaluate.boundary import BoundaryScore


def boundary(predicted, truth, classes=("a", "b"), tolerance=0.1):
    score = BoundaryScore(classes, tolerance)
    score.update(predicted.astype(np.uint8), truth.astype(np.uint8))
    return score.compute()


def plain_f(predicted, truth, label, radius):
    """The F-score of one class's outline, pixel by pixel."""

    def outline(labels):
        height, width = labels.shape
        return [
            (y, x)
            for y in range(height)
            for x in range(width)
            if labels[y, x] == label and any(
                labels[v, u] not in (label, IGNORE)
                for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
                if 0 <= v < height and 0 <= u < width
            )
        ]  # fmt: skip

    found, true = outline(np.where(truth == IGNORE, IGNORE, predicted)), outline(truth)
    if not found and not true:
        return None

    def share(of, to):
        return sum(any(math.dist(one, other) <= radius for other in to) for one in of) / len(of) if of else 0

    precision, recall = share(found, true), share(true, found)
    return 100 * 2 * precision * recall / (precision + recall) if precision + recall else 0


def test_boundary_score_is_what_a_plain_loop_counts():
    random = np.random.default_rng(0)
    truth = np.kron(random.integers(0, 4, (4, 5)), np.ones((4, 4))).astype(int)
    predicted = np.roll(truth, (1, 2), (0, 1))
    truth[truth == 3] = IGNORE
    predicted[2:6, 3:9] = 4
    names = ("a", "b", "c", "d", "e", "f")
    radius = 0.05 * math.hypot(16, 20)
    expected = {name: plain_f(predicted, truth, label, radius) for label, name in enumerate(names)}
    assert expected["f"] is None
    assert expected["e"] == 0
    assert 0 < expected["a"] < 100
    scores = boundary(predicted, truth, names, 0.05)
    assert scores["boundary_f_class_pct"] == pytest.approx(expected, abs=1e-3)
    known = [value for value in expected.values() if value is not None]
    assert scores["boundary_f_pct"] == pytest.approx(sum(known) / len(known), abs=1e-3)


def halves(column):
    """Class 0 to the left of a column, class 1 from there on."""
    labels = np.zeros((20, 30), np.uint8)
    labels[:, column:] = 1
    return labels


@pytest.mark.parametrize(("column", "score"), [(10, 100), (13, 100), (15, 0), (25, 0)])
def test_boundary_is_forgiven_up_to_the_tolerance(column, score):
    assert boundary(halves(column), halves(10))["boundary_f_pct"] == score  # 3.6 pixels, a tenth of 36.06


def test_boundary_of_a_class_is_averaged_over_the_images_that_have_one():
    score = BoundaryScore(("a", "b"), tolerance=0.1)
    for column in (10, 25):
        score.update(halves(column), halves(10))
    score.update(np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8))
    assert score.compute()["boundary_f_class_pct"] == {"a": 50, "b": 50}


def test_ignored_pixels_have_no_outline():
    assert boundary(halves(20), halves(10) * IGNORE)["boundary_f_pct"] is None
