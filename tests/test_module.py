"""The LightningModule around a small net: it learns, resumes exactly, and stops on NaN."""

import platform
import subprocess
import sys

import pytest
import pytorch_lightning as pl
import torch
from command_line import LIGHT

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.config import compose_run
from msaseg.training.callbacks import LossWatch
from msaseg.training.checkpoints import OriginKept, ResumePoints
from msaseg.training.record import CODE
from msaseg.training.trainer import build


def run_parts(*overrides):
    config = compose_run([*LIGHT, "data.batch_size=4", *overrides])
    pl.seed_everything(config.seed, verbose=False)
    return build(config, "data"), build(config, "model")


def trainer(epochs, folder, checkpoints=False, **arguments):
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=checkpoints,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=str(folder),
        **arguments,
    )


def test_module_on_a_few_scenes_overfits_them(tmp_path):
    few = ["protocol.source.train=2", "data.batch_size=2", "protocol.augment.flip=false", "protocol.schedule=null"]
    able = ["model.net.num_poolings=1", "model.net.fusion=concat", "model.net.attention_strides=[16,8]"]
    data, module = run_parts(*few, *able, "model.lr=0.02")
    trainer(45, tmp_path, limit_val_batches=0).fit(module, data)
    accuracy = [value for _, value in module.history["train/pixel_accuracy_pct"]]
    assert accuracy[-1] > 90 > accuracy[0]


def test_module_tested_scores_each_split_at_the_labels_size(tmp_path):
    data, module = run_parts()
    runner = trainer(1, tmp_path)
    runner.fit(module, data)
    runner.test(module, data, verbose=False)
    labels = [batch["label"] for batch in data.test_dataloader()]
    scored = sum(int((label != 255).sum()) for label in labels)
    matrix = torch.tensor(module.results["test"]["confusion"])
    assert matrix.shape == (11, 11)
    assert matrix.sum() == scored
    assert list(module.results["test"]["iou_pct"]) == list(CLASSES[:11])
    assert {"train/loss", "val/loss", "train/miou_pct", "val/miou_pct"} <= set(module.history)


def test_validation_loss_is_the_mean_over_all_pixels_that_count_however_frames_are_batched(tmp_path):
    losses = []
    for size in (1, 2, 3):
        data, module = run_parts(f"data.eval_batch_size={size}", "protocol.source.val=3")
        runner = trainer(1, tmp_path)
        runner.validate(module, data, verbose=False)
        losses.append(runner.callback_metrics["val/loss"].item())
    (whole,) = data.val_dataloader()
    assert len({int((label != 255).sum()) for label in whole["label"]}) == 3
    logits = module.eval()._logits_of(whole)
    expected = torch.nn.functional.cross_entropy(logits, whole["label"].long(), ignore_index=255)
    assert losses == pytest.approx([expected.item()] * 3)


def test_module_resumed_from_a_checkpoint_ends_as_if_never_broken_off(tmp_path):
    schedule = "protocol.schedule=null"  # its length depends on max_epochs
    data, whole = run_parts(schedule)
    trainer(2, tmp_path).fit(whole, data)

    data, first = run_parts(schedule)
    half = trainer(1, tmp_path)
    half.fit(first, data)
    half.save_checkpoint(tmp_path / "half.ckpt")
    torch.manual_seed(99)
    data, second = run_parts(schedule, "seed=0")
    trainer(2, tmp_path).fit(second, data, ckpt_path=tmp_path / "half.ckpt")

    for (name, expected), found in zip(whole.net.state_dict().items(), second.net.state_dict().values(), strict=True):
        assert torch.equal(expected, found), name
    assert [step for step, _ in second.history["train/loss"]] == [1, 2]


def test_checkpoint_opens_without_pickle_and_carries_its_configuration(tmp_path):
    data, module = run_parts()
    runner = trainer(1, tmp_path, callbacks=[OriginKept({"protocol": {"name": "smoke"}}, CODE, data)])
    runner.fit(module, data)
    runner.save_checkpoint(tmp_path / "a.ckpt")
    content = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert content["msaseg"]["config"]["protocol"]["name"] == "smoke"
    assert content["msaseg"]["history"]["train/loss"]


def test_loss_not_finite_stops_and_names_step_and_frames(tmp_path):
    data, module = run_parts("model.lr=0.001")
    runner = trainer(3, tmp_path, callbacks=[LossWatch()])
    healthy = module.training_step
    module.training_step = lambda batch, batch_idx: (
        healthy(batch, batch_idx) * (float("nan") if runner.global_step == 1 else 1.0)
    )
    with pytest.raises(UserError, match=r"nan at step 2 on the frames .*train/") as raised:
        runner.fit(module, data)
    assert "\n" not in str(raised.value)


def test_weights_not_finite_after_the_only_step_stop_before_any_checkpoint(tmp_path):
    data, module = run_parts("model.lr=1e30", "data.batch_size=8")
    points = ResumePoints(tmp_path)
    runner = trainer(1, tmp_path, callbacks=[LossWatch(), points], checkpoints=True)
    module.optimizer = lambda groups: torch.optim.SGD([{**group, "lr": float("nan")} for group in groups])
    with pytest.raises(UserError, match="no numbers any more after step 1; lower the rate"):
        runner.fit(module, data)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_pretrained_parameters_get_their_own_rate():
    _, module = run_parts("model.lr=0.01", "model.encoder_lr=0.001", "protocol.schedule=null")
    assert [group["lr"] for group in module.configure_optimizers().param_groups] == [0.01]
    module.net.weights_source = "a file"
    groups = module.configure_optimizers().param_groups
    assert [group["lr"] for group in groups] == [0.01, 0.001]
    assert sum(len(group["params"]) for group in groups) == len(list(module.net.parameters()))


@pytest.mark.parametrize("asked", [None, False])
def test_optimizer_updates_in_one_pass_unless_its_configuration_says_otherwise(asked):
    _, module = run_parts("protocol.schedule=null")
    optimizer = module.optimizer
    module.optimizer = lambda groups: optimizer(groups, fused=asked)
    assert [group["fused"] for group in module.configure_optimizers().param_groups] == [asked is None]


def test_optimizer_without_a_pass_of_its_own_is_left_as_it_is():
    _, module = run_parts("protocol.schedule=null", "protocol.optimizer._target_=torch.optim.Adadelta")
    assert "fused" not in module.configure_optimizers().param_groups[0]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library is left as it is")
def test_memory_that_a_step_frees_is_kept_for_the_next():
    counted = """
import resource
from msaseg.training.memory import keep_freed_memory

def pages_fetched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = [pages_fetched() for _ in range(3)]
keep_freed_memory()
kept = [pages_fetched() for _ in range(3)]
print(min(given_back), min(kept))
"""
    done = subprocess.run([sys.executable, "-c", counted], capture_output=True, text=True, check=True)
    given_back, kept = map(int, done.stdout.split())
    assert kept < given_back / 5  # 16384 pages, 32 where they are huge
