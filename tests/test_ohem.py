"""The loss of hard pixels against a loop over pixels."""

import math

import pytest
import torch

from msaseg.classes import IGNORE
from msaseg.training.ohem import OhemLoss


def by_loop(logits, labels, threshold, min_kept):
    losses = []
    for n in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                label = int(labels[n, y, x])
                if label != IGNORE:
                    scores = logits[n, :, y, x].double()
                    losses.append(float(torch.logsumexp(scores, 0) - scores[label]))
    losses.sort(reverse=True)
    number = max(1, int(min_kept * labels.numel()))
    hard = [loss for loss in losses if loss >= -math.log(threshold)]
    kept = hard if len(hard) >= number else losses[:number]
    return sum(kept) / len(kept)


@pytest.mark.parametrize(
    ("threshold", "min_kept"), [(0.7, 1 / 16), (0.05, 0.25), (0.001, 0.25), (0.999, 0.01), (1e-6, 1.0)]
)
def test_loss_is_the_mean_over_the_pixels_that_a_loop_keeps(threshold, min_kept):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 5, 6, 7, generator=generator)
    labels = torch.randint(0, 5, (2, 6, 7), generator=generator)
    labels[0, :2] = IGNORE
    loss = OhemLoss(threshold, min_kept)(logits, labels)
    assert float(loss) == pytest.approx(by_loop(logits, labels, threshold, min_kept), rel=1e-5)


def test_easy_pixels_get_no_gradient_and_hard_ones_do():
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 0] = torch.tensor([9.0, 9.0, 0.0, -9.0])
    logits.requires_grad_()
    OhemLoss(0.7, 0.25)(logits, torch.zeros(1, 1, 4, dtype=torch.long)).backward()
    reached = logits.grad[0].abs().sum(0)[0] > 0
    assert reached.tolist() == [False, False, True, True]


def test_logit_that_is_not_finite_gives_a_loss_that_is_not():
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 0, 0, 0] = math.nan
    assert not OhemLoss()(logits, torch.zeros(1, 1, 2, dtype=torch.long)).isfinite()


@pytest.mark.parametrize(
    ("name", "value"), [("threshold", 0.0), ("threshold", 1.0), ("min_kept", 0.0), ("min_kept", 2)]
)
def test_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        OhemLoss(**{name: value})
