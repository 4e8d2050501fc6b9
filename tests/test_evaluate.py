"""`python -m msaseg.evaluate`: the scores of a checkpoint are those of its run, and a mistake is one line."""

import json

import numpy as np
import pytest
import torch
from trained import leave_checkpoint

from msaseg.data.camvid import IGNORE
from msaseg.evaluate.__main__ import main
from msaseg.evaluate.augmentation import SCALES, VIEWS, class_scores
from msaseg.evaluate.boundary import BoundaryScore


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("MSASEG_OUTPUTS", str(tmp_path / "outputs"))
    path = tmp_path / "weights.ckpt"
    generator = torch.Generator().manual_seed(0)
    seen = torch.randint(0, 256, (4, 3, 64, 96), dtype=torch.uint8, generator=generator)
    leave_checkpoint(path, seen=seen)
    return path


def test_scores_are_those_that_the_module_itself_reaches(checkpoint, tmp_path, capsys):
    output = tmp_path / "scores.json"
    assert main([f"checkpoint={checkpoint}", f"output={output}"]) == 0
    result = json.loads(output.read_text())
    matrix = np.array(result["confusion"])
    assert matrix.sum() > 0
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    iou = matrix.diagonal()[union > 0] / union[union > 0]
    assert result["miou_pct"] == pytest.approx(100 * iou.mean(), abs=1e-3)
    assert result["protocol"] == result["trained_under"] == "smoke"
    assert result["frames_trained_on"] == 0
    assert "no test-time augmentation" in capsys.readouterr().out


@pytest.mark.parametrize("tta", ["flip", "multiscale"])
def test_augmentation_stands_beside_the_number(checkpoint, tmp_path, capsys, tta):
    output = tmp_path / "scores.json"
    assert main([f"checkpoint={checkpoint}", f"tta={tta}", f"output={output}", "device=cpu"]) == 0
    assert tta in " ".join(capsys.readouterr().out.split())
    assert tta in json.loads(output.read_text())["tta"]


def test_other_protocol_than_the_checkpoints_is_said(checkpoint, capsys):
    assert main([f"checkpoint={checkpoint}", "protocol=smoke", "protocol.size=[72,96]"]) == 0
    assert "trained under smoke (64x96, 11 classes), scored under smoke (72x96" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["checkpoint=none.ckpt"], "none.ckpt: no such file"),
        (["protocol=smok"], "smok"),
        (["part=train"], "part"),
        (["output=no/such/scores.json"], "no such folder"),
        (["protocol.size=[72,96]"], "add protocol=NAME"),
    ],
)
def test_mistake_is_one_line_and_status_2(checkpoint, capsys, words, said):
    given = [f"checkpoint={checkpoint}"] if not words[0].startswith("checkpoint") else []
    assert main([*given, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error


def test_flip_of_a_net_that_ignores_place_changes_nothing():
    images = torch.randint(0, 256, (2, 3, 8, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain = class_scores(lambda pixels: pixels.float() / 50, images, (16, 24), "none")
    flipped = class_scores(lambda pixels: pixels.float() / 50, images, (16, 24), "flip")
    torch.testing.assert_close(flipped, plain.softmax(1))


def test_multiscale_shows_the_net_every_scale_and_its_mirror():
    seen = []

    def logits(images):
        seen.append(tuple(images.shape[-2:]))
        return images.float()

    scores = class_scores(logits, torch.zeros(1, 3, 40, 80, dtype=torch.uint8), (20, 40), "multiscale")
    assert scores.shape == (1, 3, 20, 40)
    assert seen == [(round(40 * scale), round(80 * scale)) for scale in SCALES for _ in range(2)]
    assert len(seen) == len(VIEWS["multiscale"])


def boundary(predicted, truth, classes=("a", "b")):
    score = BoundaryScore(classes, tolerance=0.1)
    score.update(predicted.astype(np.uint8), truth.astype(np.uint8))
    return score.compute()


def test_boundary_met_exactly_scores_100_and_far_off_0():
    truth = np.zeros((20, 30))
    truth[:, 10:] = 1
    assert boundary(truth, truth)["boundary_f_pct"] == 100
    far = np.zeros((20, 30))
    far[:, 25:] = 1
    assert boundary(far, truth)["boundary_f_pct"] == 0


def test_boundary_is_forgiven_up_to_the_tolerance():
    truth, near, off = (np.zeros((20, 30)) for _ in range(3))
    truth[:, 10:], near[:, 13:], off[:, 15:] = 1, 1, 1  # the tolerance is a tenth of 36.06, 3.6 pixels
    assert boundary(near, truth)["boundary_f_pct"] == 100
    assert boundary(off, truth)["boundary_f_pct"] == 0


def test_ignored_pixels_have_no_outline():
    truth = np.zeros((20, 30))
    truth[:, 10:] = IGNORE
    predicted = np.zeros((20, 30))
    predicted[:, 20:] = 1
    assert boundary(predicted, truth)["boundary_f_pct"] is None
