"""Intervals over frames, held to plain loops; test_statistics_coverage.py holds them to known truth."""

import math
import statistics
from collections import Counter
from dataclasses import astuple

import numpy as np
import pytest
import scipy.stats
import torch

from msaseg.cli.errors import UserError
from msaseg.statistics import iou_intervals, miou_interval, paired_difference
from msaseg.statistics.blocks import video_sequences, weights
from msaseg.training.metrics import scores

TEST = [f"test/0001TP_{30 * i + 8550:06}" for i in range(62)] + [f"test/Seq05VD_f{30 * i:05}" for i in range(171)]
VAL = [f"val/0016E5_{n:05}" for n in range(7959, 8160, 2)]


def plain_miou(matrix):
    ious = []
    for k in range(len(matrix)):
        either = sum(matrix[k]) + sum(row[k] for row in matrix) - matrix[k][k]
        if either:
            ious.append(matrix[k][k] / either)
    return 100 * sum(ious) / len(ious)


def plain_blocks(names, block_s):
    """VideoSequence to its blocks, lists of names; and the number of its frames."""
    found = {}
    for sequence in sorted({name.split("/")[1].split("_")[0] for name in names}):
        members = sorted((int(name.split("_")[1].strip("f")), name) for name in names if f"/{sequence}_" in name)
        blocks = []
        for start, _ in members:
            block = [name for number, name in members if start <= number < start + 30 * block_s]
            if not blocks or not set(block) <= set(blocks[-1]):
                blocks.append(block)
        found[sequence] = blocks, len(members)
    return found


def plain_resamples(names, block_s, resamples, seed):
    """Lists of names, from the blocks that the suite draws: the one thing that this shares with it."""
    drawn_of_all = []
    rng = np.random.default_rng(seed)
    for sequence, (blocks, size) in zip(
        video_sequences(names, block_s), plain_blocks(names, block_s).values(), strict=True
    ):
        assert len(blocks) == len(sequence.first)
        drawn_of_all.append((blocks, size, sequence.draw(resamples, rng).tolist()))
    found = []
    for b in range(resamples):
        chosen = []
        for blocks, size, drawn in drawn_of_all:
            laid = []
            for block in drawn[b]:
                laid += blocks[block]
            assert len(laid) >= size
            chosen += laid[:size]
        found.append(chosen)
    return found


def plain_half_width(resampled, names, block_s, score):
    """Half-width of a score's interval; `score` of how often each frame counts is what is judged."""
    cut = plain_blocks(names, block_s).values()
    frames_a_block = [statistics.fmean(len(block) for block in blocks) for blocks, _ in cut]
    n = [size / mean for (_, size), mean in zip(cut, frames_a_block, strict=True)]
    moved = {
        name: score({each: 1 + 1e-6 * (each == name) for each in names}) - score(dict.fromkeys(names, 1))
        for name in names
    }
    squares = fourths = 0
    for (blocks, _), number in zip(cut, n, strict=True):
        mean = statistics.fmean(moved[name] for name in {name for block in blocks for name in block})
        apart = [1e6 * sum(moved[name] - mean for name in block) for block in blocks]
        squares += number * statistics.fmean(x**2 for x in apart)
        fourths += number * statistics.fmean(x**4 for x in apart)
    df = min(sum(n) - len(n), 3 * squares**2 / fourths - 2)
    wider = (len(names) / (len(names) - sum(frames_a_block))) ** 0.5
    return float(scipy.stats.t.ppf(0.975, df)) * wider * statistics.stdev(resampled)


def summed(matrices, chosen):
    often = chosen if isinstance(chosen, dict) else Counter(chosen)
    return [[sum(times * matrices[name][i][j] for name, times in often.items()) for j in range(5)] for i in range(5)]


@pytest.fixture
def irregular():
    """Frames at odd times of two sequences, out of order, with a long gap; the fifth class is nowhere."""
    rng = np.random.default_rng(4)
    numbers = [*rng.choice(900, 24, replace=False), 4000, 4010, 4200]
    names = [f"test/A_{n:06}" for n in numbers] + [f"train/B_f{n:05}" for n in range(0, 600, 30)]
    rng.shuffle(names)
    runs = rng.integers(0, 50, (2, len(names), 5, 5)).astype(np.uint32)
    runs[..., 4, :] = runs[..., 4] = 0
    return names, *runs


def plain_interval(names, block_s, seed, score):
    """The estimate and both ends, of the `score` of names: a list, or name to how often it counts."""
    estimate = score(names)
    resampled = [score(chosen) for chosen in plain_resamples(names, block_s, 40, seed)]
    half = plain_half_width(resampled, names, block_s, score)
    return pytest.approx((estimate, estimate - half, estimate + half), abs=1e-6)


def test_interval_equals_the_twin_on_the_same_drawn_blocks(irregular):
    names, matrices, _ = irregular
    of = dict(zip(names, matrices.tolist(), strict=True))
    found = miou_interval((names, matrices), block_s=4.0, resamples=40, seed=7)
    assert astuple(found) == plain_interval(names, 4.0, 7, lambda chosen: plain_miou(summed(of, chosen)))


def test_intervals_per_class_equal_the_twin_and_leave_an_absent_class_without(irregular):
    names, matrices, _ = irregular
    of = dict(zip(names, matrices.tolist(), strict=True))
    found = iou_intervals((names, matrices), block_s=4.0, resamples=40, seed=7)
    for c in range(4):

        def iou(chosen, c=c):
            sums = summed(of, chosen)
            return 100 * sums[c][c] / (sum(sums[c]) + sum(row[c] for row in sums) - sums[c][c])

        assert astuple(found[c]) == plain_interval(names, 4.0, 7, iou)
    assert math.isnan(found[4].estimate)
    assert (found[4].low, found[4].high) == (None, None)


def test_class_that_one_frame_has_gets_no_interval():
    names = [f"test/A_{30 * second:06}" for second in range(60)]
    lone = np.zeros((60, 3, 3), np.uint32)
    lone[:, 0, 0] = 10
    lone[7, 1, 1] = 30
    assert [one.low is None for one in iou_intervals((names, lone), block_s=4.0)] == [False, True, True]


def test_paired_difference_equals_the_twin_on_the_same_drawn_blocks(irregular):
    names, a, b = irregular
    of_a, of_b = (dict(zip(names, run.tolist(), strict=True)) for run in (a, b))

    def apart(chosen):
        return plain_miou(summed(of_a, chosen)) - plain_miou(summed(of_b, chosen))

    found = paired_difference((names, a), (names[::-1], b[::-1]), block_s=4.0, resamples=40)
    assert astuple(found) == plain_interval(names, 4.0, 0, apart)


def test_resample_holds_each_frame_as_often_as_the_twins(irregular):
    names, *_ = irregular
    expected = [[chosen.count(name) for name in names] for chosen in plain_resamples(names, 4.0, 40, seed=7)]
    assert weights(video_sequences(names, 4.0), 40, seed=7).tolist() == expected


def test_estimate_is_the_miou_of_the_suite_with_an_absent_class_left_out(irregular):
    names, matrices, _ = irregular
    expected = scores(torch.from_numpy(matrices.astype(np.int64).sum(0)), "abcde")
    assert expected["absent_classes"] == ["e"]
    assert miou_interval((names, matrices)).estimate == pytest.approx(expected["miou_pct"], abs=1e-4)


def test_resample_keeps_the_number_of_frames_of_each_sequence():
    drawn = weights(video_sequences(TEST, 10.0), 50, seed=0)
    assert (drawn[:, :62].sum(1) == 62).all()
    assert (drawn[:, 62:].sum(1) == 171).all()


def test_block_never_reaches_over_a_gap_as_long_as_itself():
    names = [f"A_{30 * t:06}" for t in (0, 1, 2, 3, 4, 14, 15, 20)]
    (sequence,) = video_sequences(names, 3.0)
    cut = [sequence.frames[f : f + n].tolist() for f, n in zip(sequence.first, sequence.length, strict=True)]
    assert cut == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [5, 6], [7]]


def test_interval_is_the_same_again_and_in_any_order_of_frames(irregular):
    names, matrices, _ = irregular
    first = miou_interval((names, matrices))
    assert miou_interval((names, matrices)) == first
    assert miou_interval((names[::-1], matrices[::-1])) == first
    assert miou_interval((names, matrices), seed=1) != first


@pytest.mark.parametrize("names", [["test/A_000000"], ["test/A_000000", "test/B_000000"], VAL])
def test_frames_that_are_one_block_a_video_have_no_interval(names):
    matrices = np.random.default_rng(0).integers(1, 9, (len(names), 3, 3))
    found = miou_interval((names, matrices))
    assert found.estimate == pytest.approx(plain_miou(matrices.sum(0).tolist()))
    assert found.low is None
    assert found.high is None


ONES = np.ones((2, 3, 3), np.uint32)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: paired_difference((["A_1", "A_2"], ONES), (["A_1", "A_3"], ONES)), "^A_2: only some of the runs"),
        (lambda: paired_difference((["A_1"], ONES[:1]), (["A_1", "A_3"], ONES)), "^A_3: only some of the runs"),
        (lambda: paired_difference((["A_1", "A_2"], ONES), (["A_1", "A_2"], ONES[:, :2, :2])), "^2 and 3 classes"),
        (lambda: miou_interval((["A_1", "A_1"], ONES)), "^2 names, 1 of them different, for 2 matrices"),
        (lambda: miou_interval((["A_1"], ONES)), "^1 names, 1 of them different, for 2 matrices"),
        (lambda: miou_interval(([], ONES[:0])), "^0 names"),
        (lambda: miou_interval((["A_1", "A_2"], 0 * ONES)), "^A_1 and the other frames have no counted pixel"),
        (lambda: miou_interval((["A_1", "frame"], ONES)), "^frame: not a CamVid frame name"),
        (lambda: miou_interval((["A_1", "A_2"], ONES), block_s=0), "^block_s=0: "),
    ],
)
def test_frames_that_do_not_fit_are_refused_in_one_line(make, words):
    with pytest.raises(UserError, match=words) as error:
        make()
    assert "\n" not in str(error.value)
