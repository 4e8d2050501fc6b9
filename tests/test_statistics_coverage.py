"""Intervals over frames of drawn sequences whose true mIoU is known."""

from itertools import pairwise

import numpy as np
import pytest

from msaseg.config import ROOT
from msaseg.records.frame_matrices import load
from msaseg.records.run import RunRecord
from msaseg.statistics import miou_interval, paired_difference
from msaseg.statistics.blocks import video_sequences

TEST = [f"test/0001TP_{30 * i + 8550:06}" for i in range(62)] + [f"test/Seq05VD_f{30 * i:05}" for i in range(171)]
CLASSES = 4


def latent(rng, runs, steps, correlation):
    """Values of a standard normal that keep `correlation` from one second to the next."""
    x = rng.standard_normal((steps, runs, CLASSES))
    for before, now in pairwise(x):
        now *= (1 - correlation**2) ** 0.5
        now += correlation * before
    return x.swapaxes(0, 1)


def sequence_matrices(rng, runs, steps, correlation, shift=0.0, skill=0.0, scene=None):
    """(runs, steps, C, C) pixels, one step a second: sizes of the classes and how well each is found wander on."""
    size, found = scene or (latent(rng, runs, steps, correlation), latent(rng, runs, steps, correlation))
    truth = np.exp([2.0, 2.5, 0.5, -1.0] + 0.8 * size + 0.3 * shift)
    truth[..., 3] *= size[..., 3] > -0.5  # a rare class that comes and goes
    truth *= 1e4 / truth.sum(-1, keepdims=True)
    right = 1 / (1 + np.exp(-(skill + np.array([2.5, 2.0, 0.8, -0.5]) + 0.8 * found)))
    wrong = truth * (1 - right) / (CLASSES - 1)
    matrices = np.broadcast_to(wrong[..., None], (*wrong.shape, CLASSES)).copy()
    matrices[..., range(CLASSES), range(CLASSES)] = truth * right
    return matrices.round().astype(np.uint32)


def miou_pct(matrix):
    hits = np.diagonal(matrix)
    return 100 * np.mean(hits / (matrix.sum(0) + matrix.sum(1) - hits))


def test_correlation_of_neighbouring_test_frames_is_that_of_the_draws():
    """How much a frame moves the score resembles how much the frame a second later does, as docs/statistics.md says."""
    found = []
    for path in sorted((ROOT / "experiments" / "records" / "native_models" / "native").glob("*/seed*.json")):
        names, matrices = load(path, RunRecord.load(path)).part("test")
        matrices = np.asarray(matrices, np.int64)
        whole = matrices.sum(0)
        moved = np.array([miou_pct(whole) - miou_pct(whole - matrix) for matrix in matrices])
        for sequence in video_sequences(names, 1.0):
            apart = moved[list(sequence.frames)] - moved[list(sequence.frames)].mean()
            found.append((apart[1:] * apart[:-1]).sum() / (apart**2).sum())
    assert len(found) >= 6
    assert min(found) > 0.2
    assert max(found) < 0.7


def test_interval_of_one_video_holds_the_estimate():
    found = miou_interval((TEST[:62], sequence_matrices(np.random.default_rng(0), 1, 62, 0.5)[0]))
    assert found.low < found.estimate < found.high


def test_paired_interval_is_much_narrower_than_one_runs_when_both_err_on_the_same_frames():
    rng = np.random.default_rng(0)
    scene = latent(rng, 1, 233, 0.5), latent(rng, 1, 233, 0.5)
    a, b = (sequence_matrices(rng, 1, 233, 0.5, skill=skill, scene=scene)[0] for skill in (0.1, 0.0))
    apart, alone = paired_difference((TEST, a), (TEST, b)), miou_interval((TEST, a))
    assert apart.high - apart.low < 0.2 * (alone.high - alone.low)
    assert apart.low > 0


def coverage(names, correlation, runs, resamples, blocks_s, seed=0):
    """Share of `runs` draws of the sequences whose interval holds the true mIoU, for each block length."""
    rng = np.random.default_rng(seed)
    drawn, expected = [], 0
    for sequence, part in enumerate(video_sequences(names, 1.0)):
        times = [int(names[i].split("_")[1].strip("f")) // 30 for i in part.frames]
        steps = np.array(times) - times[0]
        shift = np.random.default_rng(sequence).standard_normal(CLASSES)
        drawn.append(sequence_matrices(rng, runs, steps[-1] + 1, correlation, shift)[:, steps])
        expected = expected + len(steps) * sequence_matrices(rng, 200, 1000, correlation, shift).mean((0, 1))
    true = miou_pct(expected)
    frames = np.concatenate(drawn, 1)
    ordered = [names[i] for part in video_sequences(names, 1.0) for i in part.frames]
    shares = []
    for block_s in blocks_s:
        found = [miou_interval((ordered, run), block_s=block_s, resamples=resamples) for run in frames]
        shares.append(np.mean([each.low <= true <= each.high for each in found]))
    return shares


def test_interval_on_sequences_of_known_truth_covers_it_and_single_frames_do_not():
    blocks, single = coverage(TEST, 0.4, runs=250, resamples=200, blocks_s=(10.0, 0.01))
    assert 0.92 <= blocks <= 0.98
    assert single < blocks - 0.08


def names_of_test_part(table, protocol):
    """Names of the test frames of a table's first run."""
    path = min((ROOT / "experiments" / "records" / table / protocol).glob("*/seed0*.json"))
    return list(load(path, RunRecord.load(path)).part("test")[0])


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
@pytest.mark.parametrize(("table", "protocol"), [("native_models", "native"), ("class_iou", "paper")])
def test_interval_on_many_sequences_of_known_truth_covers_it(table, protocol, correlation):
    (share,) = coverage(
        names_of_test_part(table, protocol), correlation, runs=2000, resamples=500, blocks_s=(10.0,), seed=1
    )
    assert 0.92 <= share <= 0.98
