"""`python -m msaseg.evaluate`: the scores of a checkpoint are those of its run, and a mistake is one line."""

import itertools
import json

import numpy as np
import pytest
import torch
from command_line import LIGHT, PLAIN, TINY, assert_one_line, records
from PIL import Image
from test_data_camvid import LABELS, save_interlaced
from trained import leave_checkpoint

from msaseg.data.synthetic.scene import draw
from msaseg.evaluate.__main__ import main
from msaseg.evaluate.augmentation import class_scores
from msaseg.training.restore import restore

SMALL = [word for word in TINY if word.startswith("protocol.source.")]


def flags(words):
    """Hydra's words as `--set`."""
    return [word if word.startswith("--") else f"--set={word}" for word in words]


def street(seed, size=(64, 96)):
    return draw(np.random.default_rng(seed), size)[0]


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A checkpoint that predicts more than one class."""
    path = tmp_path_factory.mktemp("left") / "weights.ckpt"
    seen = torch.from_numpy(np.stack([street(seed) for seed in range(4)])).permute(0, 3, 1, 2)
    leave_checkpoint(path, *SMALL, *PLAIN, seen=seen)
    return path


@pytest.fixture
def evaluate(left, tmp_path, monkeypatch):
    """Call the command on the checkpoint; return its status and the JSON that it wrote."""
    monkeypatch.setenv("MSASEG_OUTPUTS", str(tmp_path))

    def call(*words, checkpoint=left):
        output = tmp_path / "scores.json"
        status = main([str(checkpoint), f"--out={output}", "--device=cpu", *flags(words)])
        return status, json.loads(output.read_text()) if output.exists() else None

    return call


def changed(path, target, change):
    """Write a checkpoint anew after a change of its configuration."""
    content = torch.load(path, weights_only=True)
    change(content["msaseg"]["config"])
    torch.save(content, target)
    return target


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_scores_when_nothing_is_augmented_are_those_of_the_runs_record(cli, evaluate, tmp_path, precision):
    assert cli(*LIGHT, "model.lr=0.02", f"trainer.precision={precision}") == 0  # learns in two epochs
    (record,) = records(tmp_path)
    (path,) = tmp_path.rglob("weights.ckpt")
    status, result = evaluate(checkpoint=path)
    assert status == 0
    assert result["confusion"] == record.confusion["test"]
    assert {key: result[key] for key in record.metrics["test"]} == record.metrics["test"]
    assert result["config_hash"] == record.config_hash
    assert restore(path).config == record.config
    assert result["data"] == {key: record.data[key] for key in ("data_digest", "split_digest")}
    assert result["hardware"]["precision"] == record.hardware["precision"] == precision


def test_scores_are_printed_with_every_class_and_the_confusion(evaluate, capsys):
    status, result = evaluate("--protocol=smoke", *SMALL)
    assert status == 0
    told = capsys.readouterr().out
    assert f"mIoU {result['miou_pct']:.2f} %" in told
    assert f"boundary F-score {result['boundary_f_pct']:.2f} %" in told
    assert "on test of smoke: 3 frames at 64x96" in told
    matrix = np.array(result["confusion"])
    assert matrix.sum() > 0.5 * 3 * 64 * 96
    for name, row in zip(result["classes"], matrix, strict=True):
        lines = [line for line in told.splitlines() if name in line.split() or f"│{name}" in line]
        assert len(lines) == 2, name  # one in each table
        shares = [f"{100 * value / row.sum():.0f}" if row.sum() else "-" for value in row]
        assert [cell.strip() for cell in lines[1].split("│")[2:-1]] == shares


@pytest.mark.parametrize("tta", ["flip", "multiscale"])
def test_augmentation_stands_beside_the_number(evaluate, capsys, tta):
    _, plain = evaluate()
    status, result = evaluate(f"--tta={tta}")
    assert status == 0
    assert tta in result["tta"]
    assert result["tta"] != plain["tta"]
    assert result["confusion"] != plain["confusion"]
    sentence = " ".join(capsys.readouterr().out.split()).split("msanet (")[2]
    number = sentence.index(f"mIoU {result['miou_pct']:.2f} %")
    assert number < sentence.index(result["tta"]) < sentence.index("Each class")


def test_other_protocol_than_the_checkpoints_is_said(evaluate, capsys):
    assert evaluate("--protocol=smoke", *SMALL, "protocol.size=[72,96]")[0] == 0
    assert "trained under smoke (64x96, 11 classes), scored under smoke (72x96" in capsys.readouterr().err


def test_class_that_the_net_does_not_know_is_said_and_never_predicted(evaluate, capsys):
    status, result = evaluate("--protocol=smoke", *SMALL, "protocol.num_classes=12")
    assert status == 0
    assert "the net does not know Unlabelled" in capsys.readouterr().err
    matrix = np.array(result["confusion"])
    assert matrix.shape == (12, 12)
    assert matrix[11].sum() > 0
    assert matrix[:, 11].sum() == 0


def test_class_that_is_not_scored_is_never_chosen(evaluate, tmp_path):
    path = tmp_path / "twelve.ckpt"
    leave_checkpoint(path, *SMALL, "protocol.num_classes=12")
    content = torch.load(path, weights_only=True)
    (bias,) = [key for key, value in content["state_dict"].items() if key.endswith("bias") and value.shape == (12,)]
    content["state_dict"][bias][11] += 1e3  # it would win everywhere
    torch.save(content, path)
    status, result = evaluate("--protocol=smoke", *SMALL, checkpoint=path)
    assert status == 0
    assert np.array(result["confusion"]).shape == (11, 11)
    assert np.array(result["confusion"]).sum() > 0.5 * 3 * 64 * 96


def test_frames_that_trained_the_net_are_counted_and_said(evaluate, capsys):
    random = ["protocol.split._target_=msaseg.data.splits.RandomSplit", "+protocol.split.pool=701"]
    status, result = evaluate("--protocol=smoke", *SMALL, *random)
    assert status == 0
    assert result["frames"] == 2
    assert 0 < result["frames_trained_on"] <= 2
    assert f"leak! {result['frames_trained_on']} of the 2 frames scored trained this net" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol=smok"], "--protocol smok: did you mean smoke?"),
        (["--split=train"], "--split: train: "),
        (
            ["--split=val", "--protocol=smoke", "protocol.split._target_=msaseg.data.splits.TrainvalSplit"],
            "write --split test",
        ),
        (["protocol.size=[72,96]"], "add --protocol NAME"),
        (["--protocol=smoke", "protocol.sise=[72,96]"], "did you mean protocol.size"),
        (["--protocol=laptop", "paths.data=/no/such/folder"], "/no/such/folder"),
        (["--tta=flop"], "did you mean flip?"),
    ],
)
def test_mistake_is_one_line_and_status_2(evaluate, capsys, words, said):
    assert evaluate(*words) == (2, None)
    assert_one_line(capsys, said)


@pytest.mark.parametrize(
    ("output", "said"),
    [("no/such/scores.json", "no such folder"), (".", "a folder"), ("/proc/scores.json", "cannot be written")],
)
def test_output_that_cannot_be_written_is_refused_before_anything_is_scored(left, capsys, monkeypatch, output, said):
    monkeypatch.setattr("msaseg.evaluate.command.score", lambda *_: pytest.fail("scored"))
    assert main([str(left), f"--out={output}"]) == 2
    assert_one_line(capsys, said)


def test_checkpoint_that_is_missing_or_whose_data_is_foreign_is_one_line(evaluate, left, tmp_path, capsys):
    assert evaluate(checkpoint="none.ckpt") == (2, None)
    assert_one_line(capsys, "none.ckpt: no such file")

    def foreign(config):
        config["data"]["split"] = {"_target_": "os.getcwd"}

    path = changed(left, tmp_path / "foreign.ckpt", foreign)
    assert evaluate(checkpoint=path) == (2, None)
    assert_one_line(capsys, "os.getcwd is not a class of msaseg.data")


def write_frames(root):
    """Write a tree of two scenes a split, and return the labels of its test."""
    for split, number in itertools.product(("train", "val", "test"), range(2)):
        image, label = draw(np.random.default_rng(number), (64, 96))
        for folder, pixels in ((split, image), (f"{split}annot", label)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / f"{number}.png")
    return sorted((root / "testannot").iterdir())


def test_labels_of_another_kind_are_scored_alike_or_refused_in_one_line(evaluate, tmp_path, capsys):
    labels = write_frames(tmp_path / "frames")
    words = ["--protocol=official", f"paths.data={tmp_path / 'frames'}", "protocol.size=[64,96]"]
    status, plain = evaluate(*words)
    assert status == 0
    for save in LABELS.values():
        for path in labels:
            save(path, np.asarray(Image.open(path)))
        assert evaluate(*words)[1]["confusion"] == plain["confusion"]
    capsys.readouterr()
    for refused in (np.zeros((64, 96, 3), np.uint8), np.zeros((64, 96, 4), np.uint8), np.zeros((64, 96), np.uint16)):
        Image.fromarray(refused).save(labels[0])
        assert evaluate(*words)[0] == 2
        assert_one_line(capsys, f"{labels[0]}: a label must hold class indices")
    save_interlaced(labels[0], np.full((64, 96), 37, np.uint8))
    assert evaluate(*words)[0] == 2
    assert_one_line(capsys, "label value 37 is outside 0..11")


RANDOM, OFFICIAL = ({"_target_": f"msaseg.data.splits.{rule}"} for rule in ("RandomSplit", "OfficialSplit"))
FOREIGN = {
    "a split of a pool of a billion": lambda config: config["data"].update(split=RANDOM | {"pool": 10**9}),
    "a split of a seed below 0": lambda config: config["data"].update(split=RANDOM | {"seed": -1}),
    "a split that is none": lambda config: config["data"].update(split=dict(config["data"]["source"])),
    "a source that is none": lambda config: config["data"]["source"].update(OFFICIAL),
    "data that are none": lambda config: config["data"].update(OFFICIAL),
    "a batch of no number": lambda config: config["data"].update(batch_size="all"),
    "a seed of no number": lambda config: config["data"]["source"].update(seed="x"),
    "no precision": lambda config: config.pop("trainer"),
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN.keys())
def test_checkpoint_whose_data_cannot_be_is_one_line(evaluate, left, tmp_path, capsys, change):
    assert evaluate(checkpoint=changed(left, tmp_path / "foreign.ckpt", change)) == (2, None)
    assert_one_line(capsys, "")


def test_checkpoint_that_asks_for_a_batch_of_a_billion_is_scored_in_ones_that_fit(
    evaluate, left, tmp_path, monkeypatch
):
    many = changed(left, tmp_path / "many.ckpt", lambda config: config["data"].update(eval_batch_size=10**9))
    monkeypatch.setattr("msaseg.evaluate.scored_frames.MOST_SCORED", 2 * 64 * 96 + 1)
    seen = []

    def counted(logits, images, *words):
        seen.append(len(images))
        return class_scores(logits, images, *words)

    monkeypatch.setattr("msaseg.evaluate.scoring.class_scores", counted)
    assert evaluate(checkpoint=many)[1]["confusion"] == evaluate()[1]["confusion"]
    assert seen == [2, 1, 2, 1]


def test_checkpoint_that_names_a_folder_for_its_cache_or_a_billion_scenes_gets_neither(
    evaluate, left, tmp_path, capsys
):
    def climbing(config):
        source = {"_target_": "msaseg.data.camvid.CamVid", "root": str(tmp_path / "frames"), "size": [64, 96]}
        config["data"]["source"] = source | {"cache_dir": str(tmp_path / "climbed")}

    write_frames(tmp_path / "frames")
    status, _ = evaluate(checkpoint=changed(left, tmp_path / "climbing.ckpt", climbing))
    assert status == 0
    assert not (tmp_path / "climbed").exists()
    capsys.readouterr()
    many = changed(left, tmp_path / "many.ckpt", lambda config: config["data"]["source"].update(test=10**9))
    assert evaluate(checkpoint=many)[0] == 2
    assert_one_line(capsys, "source.test=1000000000")
