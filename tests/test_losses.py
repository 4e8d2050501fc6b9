"""The losses: what they ignore, what they balance, and that they never give NaN."""

import math

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from msaseg.classes import IGNORE
from msaseg.training.losses import BoundaryLoss, SegmentationLoss, boundary_target
from msaseg.training.ohem import OhemLoss


def test_segmentation_loss_without_ignored_pixels_is_the_mean_cross_entropy():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 4, 6), torch.randint(5, (2, 4, 6), dtype=torch.uint8)
    torch.testing.assert_close(SegmentationLoss()(logits, labels), F.cross_entropy(logits, labels.long()))


def test_segmentation_loss_of_an_ignored_pixel_does_not_depend_on_its_logits():
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 3, 2, 2, requires_grad=True), torch.zeros(1, 2, 2, dtype=torch.uint8)
    labels[0, 0, 1] = IGNORE
    SegmentationLoss()(logits, labels).backward()
    assert logits.grad[0, :, 0, 1].eq(0).all()
    assert logits.grad[0, :, 0, 0].ne(0).all()


LOSSES = [(SegmentationLoss(), 3), (BoundaryLoss(), 1), (OhemLoss(min_kept=1e-3), 3)]
"""Each with the maps that it takes."""


@pytest.mark.parametrize(("loss", "channels"), LOSSES)
def test_mean_over_two_processes_is_the_loss_of_the_whole_batch(monkeypatch, loss, channels):
    torch.manual_seed(0)
    logits, labels = 3 * torch.randn(4, channels, 8, 8), torch.randint(3, (4, 8, 8))
    labels[0], labels[1, :5], logits[2:] = IGNORE, IGNORE, 9 * logits[2:]
    halves = [(logits[:2], labels[:2]), (logits[2:], labels[2:])]
    whole, counts = loss(logits, labels), []
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda count: counts.append(count.clone()))
    for half in halves:
        loss(*half)
    each = len(counts) // 2
    totals = 2 * [sum(pair) for pair in zip(counts[:each], counts[each:], strict=True)]
    monkeypatch.setattr(dist, "all_reduce", lambda count: count.copy_(totals.pop(0)))
    torch.testing.assert_close(sum(loss(*half) for half in halves) / 2, whole)
    loss.eval()
    loss(*halves[0])  # a validation's batches may differ in number: no process waits for another
    loss.train()


@pytest.mark.parametrize(("loss", "channels"), LOSSES)
def test_loss_of_a_batch_of_ignored_pixels_is_zero_and_keeps_the_graph(loss, channels):
    logits = torch.randn(1, channels, 2, 2, requires_grad=True)
    value = loss(logits, torch.full((1, 2, 2), IGNORE, dtype=torch.uint8))
    value.backward()
    assert value == 0
    assert logits.grad.eq(0).all()


@pytest.mark.parametrize(("loss", "channels"), LOSSES)
def test_loss_of_half_precision_logits_is_float32(loss, channels):
    labels = torch.tensor([[[0, 1], [2, 2]]], dtype=torch.uint8)
    assert loss(torch.randn(1, channels, 2, 2, dtype=torch.bfloat16), labels).dtype == torch.float32


def test_boundary_target_marks_both_sides_of_a_change_and_no_pair_with_an_ignored_pixel():
    i = IGNORE
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 1, i], [0, 0, i, 2], [0, 0, i, 2]]], dtype=torch.uint8)
    expected = torch.tensor([[[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]]).bool()
    assert torch.equal(boundary_target(labels), expected)


def test_boundary_target_matches_a_loop_over_the_pixels():
    torch.manual_seed(0)
    labels = torch.randint(3, (2, 7, 9), dtype=torch.uint8)
    labels[torch.rand(labels.shape) < 0.2] = IGNORE
    expected = torch.zeros_like(labels, dtype=torch.bool)
    for n, y, x in ((n, y, x) for n in range(2) for y in range(7) for x in range(9)):
        for other_y, other_x in ((y + 1, x), (y, x + 1), (y - 1, x), (y, x - 1)):
            if 0 <= other_y < 7 and 0 <= other_x < 9:
                pair = {int(labels[n, y, x]), int(labels[n, other_y, other_x])}
                expected[n, y, x] |= len(pair) == 2 and IGNORE not in pair
    assert torch.equal(boundary_target(labels), expected)


def test_boundary_loss_weighs_the_boundary_and_the_rest_alike():
    labels = torch.zeros(1, 1, 20, dtype=torch.uint8)
    labels[..., 10:] = 1  # 2 boundary pixels, 18 others
    missed = BoundaryLoss()(torch.full((1, 1, 1, 20), -4.0), labels)
    flooded = BoundaryLoss()(torch.full((1, 1, 1, 20), 4.0), labels)
    torch.testing.assert_close(missed, flooded)
    expected = (math.log1p(math.exp(4)) + math.log1p(math.exp(-4))) / 2
    assert missed.item() == pytest.approx(expected, rel=1e-6)


def test_boundary_loss_ignores_the_logits_of_ignored_pixels():
    labels = torch.tensor([[[0, 1, IGNORE, IGNORE]]], dtype=torch.uint8)
    logits = torch.zeros(1, 1, 1, 4, requires_grad=True)
    BoundaryLoss()(logits, labels).backward()
    assert logits.grad[0, 0, 0].ne(0).tolist() == [True, True, False, False]


def test_boundary_loss_of_one_class_alone_is_half_the_mean_of_the_rest():
    labels = torch.zeros(1, 2, 2, dtype=torch.uint8)
    assert BoundaryLoss()(torch.zeros(1, 1, 2, 2), labels).item() == pytest.approx(math.log(2) / 2)
