"""The command line in one process: a run, its record, what happens when it is repeated."""

import pytest
import torch
from command_line import LIGHT, TINY, records
from PIL import Image

from msaseg.config import compose_run
from msaseg.records import frame_matrices, provenance
from msaseg.training.inference import unit_range
from msaseg.training.module import SegmentationModule
from msaseg.training.record import CODE
from msaseg.training.restore import restore
from msaseg.training.trainer import build, precision_here


def test_run_writes_one_record_that_traces_its_numbers(cli, tmp_path):
    assert cli(*TINY, "+experiment=pooling_sweep", "model.net.num_poolings=2") == 0
    (record,) = records(tmp_path)
    assert (record.table, record.protocol, record.row, record.seed) == ("pooling_sweep", "smoke", "pool2", 0)
    assert sum(map(sum, record.confusion["test"])) > 0.5 * 3 * 64 * 96
    assert record.cost["params"] > 100_000
    assert record.cost["macs"] > 1_000_000
    assert [epoch for epoch, _ in record.history["train/loss"]] == [1, 2]
    assert len(record.data["data_digest"]) == len(record.data["split_digest"]) == 64
    assert record.data["frames"] == {"train": 8, "val": 2, "test": 3}
    frames = frame_matrices.load(record.key.path(tmp_path / "records"), record)
    names, matrices = frames.part("test")
    assert names == tuple(f"test/{name.rpartition('/')[2]}" for name in names)
    assert matrices.shape == (3, 11, 11)
    assert len({matrix.tobytes() for matrix in matrices}) == 3
    assert set(record.code) == {"commit", "dirty"}
    assert torch.__version__.startswith(record.versions["torch"])
    assert record.seconds["total"] >= record.seconds["fit"] > 0
    assert not list(tmp_path.rglob("checkpoints/*"))
    assert len(list(tmp_path.rglob("weights.ckpt"))) == 1
    (log,) = tmp_path.rglob("train.log")
    lines = log.read_text().splitlines()
    told = [line for line in lines if " · loss " in line]
    assert ["epoch 1/2 · " in told[0], "epoch 2/2 · " in told[1], len(told)] == [True, True, 2]
    (weights,) = tmp_path.rglob("weights.ckpt")
    assert lines[-2].endswith(f": checkpoint: {weights}")
    assert f"python -m msaseg.predict {weights} PHOTO.jpg --out " in lines[-1]


@pytest.mark.parametrize(("every", "looks"), [(5, [3]), (2, [2, 3]), (1, [1, 2, 3])])
def test_run_when_its_epochs_are_no_multiple_of_watch_every_validates_after_the_last_one_too(
    cli, tmp_path, every, looks
):
    assert cli(*LIGHT, "protocol.epochs=3", f"protocol.watch_every={every}") == 0
    (record,) = records(tmp_path)
    assert [epoch for epoch, _ in record.history["val/miou_pct"]] == looks
    assert record.metrics["val"]["miou_pct"] == pytest.approx(record.history["val/miou_pct"][-1][1], abs=1e-3)


def test_run_that_selects_tests_the_best_epoch_on_val(cli, tmp_path, monkeypatch):
    start_epoch = SegmentationModule.on_train_epoch_start

    def ruin_the_last_epoch(module):
        start_epoch(module)
        if module.current_epoch == 3:
            torch.nn.utils.vector_to_parameters(torch.zeros(10**7), module.net.parameters())

    monkeypatch.setattr(SegmentationModule, "on_train_epoch_start", ruin_the_last_epoch)
    words = ["protocol.epochs=4", "protocol.select=best", "protocol.schedule=null", "model.lr=0.02"]
    assert cli(*TINY, *words) == 0
    (record,) = records(tmp_path)
    curve = [value for _, value in record.history["val/miou_pct"]]
    assert len(curve) == 4
    assert curve[-1] < max(curve)
    assert record.metrics["val"]["miou_pct"] == pytest.approx(max(curve), abs=1e-3)
    assert not list(tmp_path.rglob("best/*"))


def test_averaged_weights_normalise_by_what_they_themselves_make_of_the_training_frames(cli, tmp_path):
    words = [*LIGHT, "protocol.average=0.9", "data.batch_size=4"]
    assert cli(*words) == 0
    (checkpoint,) = tmp_path.rglob("weights.ckpt")
    encoder, data = restore(checkpoint).net.encoder, build(compose_run(words), "data")
    convolution, norm, *_ = encoder.stem
    data.setup()
    maps = [convolution(encoder.normalise(unit_range(batch["image"]))) for batch in data.train_epochs(2)]
    var_mean = [torch.var_mean(each, (0, 2, 3)) for each in maps]
    for found, expected in zip((norm.running_var, norm.running_mean), zip(*var_mean, strict=True), strict=True):
        torch.testing.assert_close(found, torch.stack(expected).mean(0))


def test_run_that_another_table_asked_for_first_is_not_made_again(cli, tmp_path):
    words = [*TINY, "protocol.epochs=1"]
    same = ["+experiment=branch_fusion_sweep", "model.net.branches=2", "model.net.fusion=concat"]
    assert cli(*words, "row=msanet") == 0
    (before,) = records(tmp_path)
    assert cli(*words, *same) == 0
    assert records(tmp_path) == [before]
    assert cli(*words, *same, "rerun=true") == 0
    (after,) = records(tmp_path)
    assert (after.table, after.row) == (before.table, before.row) == ("single", "msanet")
    assert after.finished >= before.finished
    assert after != before
    assert after.metrics == before.metrics  # same seed, same machine: the same result


def test_probe_scores_the_net_on_frames_by_their_distance_and_counts_small_parts(cli, tmp_path):
    probe = ["probe.edges=[0.1]", "probe.splits=[]", "probe.fewest=5", "protocol.epochs=1"]
    assert cli(*TINY, "+experiment=leakage", "trained_on=official", *probe) == 0
    (record,) = records(tmp_path)
    frames = {part: record.metrics[part]["frames"] for part in record.metrics if "frames" in record.metrics[part]}
    assert frames == {"unseen": 5, "within_0.1s": 5, "beyond_0.1s": 0, "other_sequence": 0}
    summed = torch.tensor(record.confusion["val"]) + torch.tensor(record.confusion["test"])
    assert summed.tolist() == record.confusion["within_0.1s"] == record.confusion["unseen"]
    assert record.value("other_sequence/miou_pct") is None
    assert record.value("other_sequence/frames") == 0
    matrices = frame_matrices.load(record.key.path(tmp_path / "records"), record)
    scored = {part: len(matrices.part(part)[0]) for part in matrices.parts}
    assert scored == {"test": 3, "unseen": 5, "within_0.1s": 5}


def test_record_names_the_code_that_was_loaded_not_what_lies_there_at_the_end(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "code_state", lambda: {"commit": "later", "dirty": True})
    assert cli(*LIGHT, "protocol.epochs=1") == 0
    (record,) = records(tmp_path)
    assert record.code == CODE
    assert record.code["commit"] != "later"


@pytest.mark.parametrize(
    ("arguments", "phrases"),
    [
        (["+experiment=poling_sweep"], ["experiment=poling_sweep", "did you mean pooling_sweep?"]),
        (["protocol=papper"], ["protocol=papper", "did you mean paper?"]),
        (["model=msanett"], ["model=msanett", "did you mean msanet"]),
        (["model.net.num_pooling=3"], ["model.net.num_pooling", "did you mean model.net.num_poolings"]),
        (["protcol=paper"], ["protcol", "did you mean protocol"]),
        (["epochs=1"], ["there is no key epochs: did you mean protocol.epochs?"]),
        (["xyzzy=1"], ["there is no key xyzzy: --help lists the keys"]),
        (["experiment=pooling_sweep"], ["+experiment=..."]),
        (["protocol.select=best"], ["protocol.select=best", "protocol.watch=val"]),
        (["seed=-1"], ["seed=-1", "0 or more"]),
        (["seed=1e3"], ["seed=1000.0", "whole number"]),
        (["seed=4294967296"], ["seed=4294967296", "below 4294967296"]),
        (["seed=null"], ["seed=None", "whole number"]),
        (["protocol.epochs=-1"], ["protocol.epochs=-1", "1 or more"]),
        (["protocol.epochs=1.5"], ["protocol.epochs=1.5", "whole"]),
        (["protocol.size=[64]"], ["protocol.size=[64]", "[height, width]"]),
        (["protocol.size=[64,a]"], ["protocol.size=[64, 'a']", "whole pixels"]),
        (["protocol.lr.scratch=nan"], ["protocol.lr.scratch=nan", "finite"]),
        (["model.lr=inf"], ["model.lr=inf", "finite"]),
        (["logger=null"], ["logger=null", "csv, none, tensorboard, wandb"]),
        (["model=null"], ["model=null", "choose from", "msanet"]),
        (["protocol=null"], ["protocol=null", "paper"]),
        (["trainer=null"], ["trainer=null", "auto"]),
        (["protocol=smoke", "logger=[csv,wnb]"], ["logger=wnb", "did you mean wandb?"]),
        (["-m", "protocol=smoke", "seed=0,1", "hydra.launcher.jobs_on_cp=1"], ["mean hydra.launcher.jobs_on_cpu"]),
        (["protocol=smoke", "rerun=no"], ["rerun=no", "true or false"]),
        (["protocol=smoke", "protocol.augment.flip=no"], ["augment.flip=no", "true or false"]),
        (["protocol=smoke", "protocol.select=besst"], ["protocol.select=besst", "last or best"]),
        (["protocol=smoke", "protocol.select=best", "protocol.average=0.9"], ["select=best", "average=null"]),
        (["protocol=smoke", "+protocol.optimizer.lr=0.5"], ["protocol.optimizer.lr", "protocol.lr.scratch"]),
        ([*TINY, "+protocol.optimizer.weight_dekay=1"], ["protocol.optimizer: ", "weight_dekay"]),
        (["protocol=smoke", "protocol.optimizer.weight_decay=1"], ["or +protocol.optimizer.weight_decay=..."]),
        (["protocol=smoke", "trainer.accelerator=tpu"], ["trainer: ", "torch_xla"]),
        (["protocol=smoke", "+trainer.limit_test_batches=1"], ["trainer.limit_test_batches", "+debug=fast"]),
        (["protocol=smoke", "+trainer.fast_dev_run=true"], ["trainer.fast_dev_run", "+debug=fast"]),
        (["--config-name=nope"], ["no --config-name=nope"]),
        (["protocol=smoke", "data.seed=5"], ["data.seed=5", "set seed=5"]),
        (["protocol=smoke", "protocol.watch_every=0"], ["protocol.watch_every=0", "1 or more"]),
        (["protocol=smoke", "protocol.average=2"], ["protocol.average=2", "0.999"]),
        (["protocol=smoke", "protocol.schedule=poly"], ["protocol.schedule=poly", "null"]),
        (["protocol=smoke", "protocol.batch_size=8.5"], ["data.batch_size=8.5", "whole number"]),
        (["protocol=smoke", "trainer.accelerator=gpu"], ["trainer: ", "gpu"]),
        (["protocol=smoke", "protocol.optimizer._target_=torch.optim.Adm"], ["torch.optim.Adm", "no such class"]),
        (["protocol=smoke", "hydra/launcher=slurm"], ["hydra/launcher=slurm", "add -m"]),
        (["protocol", "smoke"], ["protocol: write KEY=VALUE"]),
        (["-m", "smoke"], ["smoke: write KEY=VALUE"]),
        (["protocol=smoke", "paths.outputs=/dev/null/x"], ["/dev/null", "paths.outputs"]),
        (["protocol=smoke", "protocol.split=null"], ["protocol.split=None", "another protocol"]),
        (["protocol=smoke", "protocol.optimizer=null"], ["protocol.optimizer=None", "another protocol"]),
        (["trainer.devices=3"], ["trainer.devices=3", "divides data.batch_size=4"]),
        (["trainer.devices=auto"], ["trainer.devices=auto", "whole number"]),
        (["protocol=smoke", "model.net.num_poolings=-1"], ["model.net", "num_poolings", "-1", "5"]),
        (["protocol=smoke", "model.net.num_poolings=9"], ["model.net", "num_poolings", "9", "5"]),
        (["protocol=smoke", "model.net.fusion=add"], ["fusion", "sum", "concat"]),
        (["protocol=smoke", "model.net.encoder=vgg16"], ["write model/net/encoder=vgg16"]),
        (["+experiment=pooling_sweep", "model.net.num_poolings=9"], ["row=pool9", "pool0"]),
        (["+experiment=pooling_sweep", "row=pool3"], ["row=pool3", "follow from model.net.num_poolings: set that"]),
        (["+experiment=attention_sweep", "row=stride9"], ["row=stride9", "its table has no such row", "table.rows"]),
        (["model=fcn8_vgg16", "protocol=smoke", "protocol.weights=/no/such.safetensors"], ["/no/such.safetensors"]),
        (["protocol=laptop", "seed=99", "paths.data=/no/such/folder"], ["/no/such/folder", "make data", "MSASEG_DATA"]),
        (["protocol.lr"], ["protocol.lr"]),
    ],
)  # fmt: skip
def test_mistake_gets_one_line_with_the_mend_and_writes_no_record(cli, tmp_path, capsys, arguments, phrases):
    assert cli("logger=csv", *arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    for phrase in phrases:
        assert phrase in error[0]
    assert not list(tmp_path.rglob("seed*.json"))
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(("accelerator", "precision"), [("cpu", "32-true"), ("gpu", "bf16-mixed")])
def test_precision_is_that_of_the_device_that_computes(monkeypatch, accelerator, precision):
    for answer in ("is_available", "is_bf16_supported"):
        monkeypatch.setattr(torch.cuda, answer, lambda **_: True)
    config = compose_run(["protocol=laptop", f"trainer.accelerator={accelerator}"])  # depthwise nets: float32 on a CPU
    assert precision_here(config) == precision


def test_record_of_other_frames_is_kept_out_of_the_repository(cli, tmp_path, monkeypatch, capsys):
    for name in ("train", "trainannot", "val", "valannot", "test", "testannot"):
        (tmp_path / "camvid" / name).mkdir(parents=True)
        Image.new("L" if name.endswith("annot") else "RGB", (96, 64)).save(tmp_path / "camvid" / name / "0_000030.png")
    monkeypatch.setattr("msaseg.records.places.PUBLISHED", tmp_path / "experiments")
    monkeypatch.setattr("msaseg.tables.record_path.is_asked_for", lambda key, outputs: True)
    words = ["protocol=laptop", "protocol.weights=none", "protocol.size=[64,96]", f"paths.data={tmp_path / 'camvid'}"]
    assert cli(*words, "logger=none") == 2
    assert "these are not CamVid's frames (`python -m msaseg.data verify" in capsys.readouterr().err
    assert not list(tmp_path.rglob("seed*.json"))
