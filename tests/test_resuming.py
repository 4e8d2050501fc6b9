"""A run broken off in any epoch and resumed: it ends as if nothing had happened."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command_line import LIGHT, TINY, assert_one_line, lose_power, records
from waiting import wait_until

from msaseg.config import ROOT, compose_run
from msaseg.data.synthetic.streets import SyntheticStreets
from msaseg.training import checkpoints
from msaseg.training import run as run_module
from msaseg.training import trainer as run_trainer
from msaseg.training.module import SegmentationModule
from msaseg.training.restore import restore
from msaseg.training.trainer import build

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
ENET = [*TINY, "model=enet", "data.batch_size=4"]  # it has dropout: the random numbers count


def weights(folder):
    (path,) = folder.rglob("weights.ckpt")
    return torch.load(path, weights_only=True)["state_dict"]


def accuracy_on_val(checkpoint, words):
    net, data = restore(checkpoint), build(compose_run(words), "data")
    data.setup()
    (batch,) = data.eval_loader(data.splits.val)
    known = batch["label"] < len(net.classes)
    return (net.logits(batch["image"]).argmax(1) == batch["label"])[known].float().mean().item()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_run_broken_off_in_each_epoch_ends_with_the_weights_of_an_unbroken_one(cli, tmp_path, workers):
    words = [*ENET, "protocol.epochs=3"]
    assert cli(*words) == 0
    whole, (record,) = weights(tmp_path), records(tmp_path)
    for path in [*tmp_path.rglob("*.json"), *tmp_path.rglob("weights.ckpt")]:
        path.unlink()
    words.append(f"data.num_workers={workers}")
    for epoch in range(3):
        lose_power(cli, words, epoch)
        assert records(tmp_path) == []
    assert cli(*words) == 0
    (resumed,) = records(tmp_path)
    assert all(tensor.equal(whole[name]) for name, tensor in weights(tmp_path).items())
    assert resumed.confusion == record.confusion
    assert resumed.history["train/step_loss"] == record.history["train/step_loss"]


def process_of(log):
    """Return the process that writes a log, or None."""
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if os.readlink(link) == str(log):
                return int(link.parts[2])
        except OSError:
            continue
    return None


def attempts(log):
    return log.read_text().split("==== ") if log.exists() else []


def epochs_told(text):
    return [int(epoch) for epoch in re.findall(r"epoch (\d+)/", text)]


@pytest.mark.slow
def test_sweep_killed_in_mid_epoch_by_any_end_is_completed_by_the_same_command_as_if_undisturbed(cli, tmp_path):
    words = [*ENET, "protocol.epochs=4", "protocol.source.train=32", "trainer.accelerator=cpu"]
    assert cli(*words, f"paths.outputs={tmp_path / 'undisturbed'}") == 0
    (expected,) = records(tmp_path / "undisturbed")
    folder, told = tmp_path / "sweep", tmp_path / "told"
    log = folder / "runs" / "single" / "smoke" / "enet" / f"seed0-{expected.config_hash}" / "console.log"

    def start():
        command = [sys.executable, "-m", "msaseg.train", *words, "seed=0,1", "-m"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MSASEG_OUTPUTS": str(folder)}
        with told.open("w") as output:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    for done, victim in enumerate(("launcher", "group", "job"), start=1):
        sweep = start()
        while done not in epochs_told("".join(attempts(log)[done:])):
            assert sweep.poll() is None, told.read_text()
            time.sleep(0.02)
        if victim == "group":
            os.killpg(sweep.pid, signal.SIGKILL)
        else:
            os.kill(process_of(log) if victim == "job" else sweep.pid, signal.SIGKILL)
        assert sweep.wait(timeout=200) == (2 if victim == "job" else -signal.SIGKILL)
        wait_until(lambda: not process_of(log), lambda: "an orphan trains on", 20)
    last = told.read_text().splitlines()[-1]
    assert re.match(r"error: 1 of 2 runs failed: \S+/seed0 \(signal 9\); ", last), last
    assert [record.seed for record in records(folder)] == [1]
    assert start().wait(timeout=200) == 0
    assert told.read_text().startswith("1 of 2 runs are finished already")
    assert log.read_text().count("resuming from") == 3
    assert len(epochs_told(log.read_text())) <= 4 + 3  # a resumed one tells the last epoch that is done
    resumed, _ = records(folder)
    assert resumed.confusion == expected.confusion
    assert resumed.history["train/step_loss"] == expected.history["train/step_loss"]


def test_averaged_weights_are_tested_also_by_a_run_resumed_after_its_last_epoch(cli, tmp_path):
    words = [*LIGHT, "data.batch_size=4", "protocol.epochs=1", "protocol.average=0.9"]
    assert cli(*words, f"paths.outputs={tmp_path / 'whole'}") == 0
    lose_power(cli, words)
    (path,) = tmp_path.glob("runs/**/epoch=*.ckpt")  # reopens as the last step left it: its statistics are of these
    state = torch.load(path, weights_only=True)["current_model_state"]
    assert all(tensor.equal(state[f"net.{name}"]) for name, tensor in restore(path).net.state_dict().items())
    assert cli(*words) == 0
    whole = weights(tmp_path / "whole")
    assert all(tensor.equal(whole[name]) for name, tensor in weights(tmp_path / "runs").items())
    assert 100 * accuracy_on_val(*tmp_path.glob("whole/**/weights.ckpt"), words) == pytest.approx(
        records(tmp_path)[0].metrics["val"]["pixel_accuracy_pct"], abs=1e-3
    )  # scored with statistics of its own
    assert not all(tensor.equal(whole[name]) for name, tensor in state.items())  # the average is another than the last


def test_best_epoch_is_tested_also_by_a_run_resumed_from_it_in_a_folder_that_was_moved(cli, tmp_path, monkeypatch):
    words = [*LIGHT, "data.batch_size=4", "protocol.select=best", "protocol.epochs=4"]
    monkeypatch.setattr(checkpoints, "CHEAP", -1.0)  # of the epochs after the first the last and the best have one
    monkeypatch.setattr(checkpoints, "SHARE", 1e-9)
    note = SegmentationModule._note

    def second_is_best(module, key, value):
        if key == "val/miou_pct" and module.trainer.state.fn == "fit":
            value = [10.0, 50.0, 30.0, 20.0][module.current_epoch]
        note(module, key, value)

    monkeypatch.setattr(SegmentationModule, "_note", second_is_best)
    assert cli(*words, f"paths.outputs={tmp_path / 'whole'}") == 0
    lose_power(cli, [*words, f"paths.outputs={tmp_path / 'before'}"], 2)
    moved = (tmp_path / "before").rename(tmp_path / "after")
    for path in moved.rglob("epoch=0001.ckpt"):  # as an attempt leaves that went on after the last checkpoint
        if path.parent.name == "best":
            content = torch.load(path, weights_only=True)
            content["state_dict"] = {name: 0 * tensor for name, tensor in content["state_dict"].items()}
            torch.save(content, path.with_name("epoch=0003.ckpt"))
    assert cli(*words, f"paths.outputs={moved}") == 0
    whole, (record,) = weights(tmp_path / "whole"), records(moved)
    assert all(tensor.equal(whole[name]) for name, tensor in weights(moved).items())
    val = record.metrics["val"]["pixel_accuracy_pct"]
    assert val == pytest.approx(sorted(record.history["val/pixel_accuracy_pct"])[1][1], abs=1e-3)
    (log,) = moved.rglob("train.log")
    assert "epoch=0001.ckpt" in log.read_text().partition("resuming from")[2]


def test_record_of_a_resumed_run_names_the_code_of_all_its_sittings(cli, tmp_path, monkeypatch):
    first, last = ({"commit": letter * 40, "dirty": letter == "a"} for letter in "ab")
    monkeypatch.setattr(run_trainer, "CODE", first)
    words = [*LIGHT, "data.batch_size=4"]
    lose_power(cli, words, 1)
    monkeypatch.setattr(run_trainer, "CODE", last)
    assert cli(*words) == 0
    (record,) = records(tmp_path)
    assert record.code == {"commit": "b" * 40, "dirty": True, "earlier": ["a" * 40]}


def test_run_that_was_begun_on_other_frames_is_not_resumed(cli, tmp_path, monkeypatch, capsys):
    lose_power(cli, LIGHT)
    capsys.readouterr()
    monkeypatch.setattr(SyntheticStreets, "digest", "of other frames")
    assert cli(*LIGHT) == 2
    assert_one_line(capsys, "begun on other frames (paths.data)")
    assert records(tmp_path) == []


def test_run_stopped_right_after_its_record_leaves_nothing_that_a_rerun_would_go_on_from(cli, tmp_path, monkeypatch):
    def stopped(loggers, config, epoch):
        if records(tmp_path):
            raise OSError("stopped")

    monkeypatch.setattr(run_module, "log_printed", stopped)
    with pytest.raises(OSError, match="stopped"):
        cli(*LIGHT, "protocol.epochs=1")
    assert list(tmp_path.rglob("epoch=*.ckpt")) == []


@pytest.fixture
def broken_off(cli, kept):
    """The outputs of a run that was broken off after its last epoch, and the record of the same unbroken."""
    outputs, copy = kept / "broken_off", kept / "copy"
    if not copy.exists():
        assert cli(*LIGHT, f"paths.outputs={kept / 'unbroken'}") == 0
        lose_power(cli, [*LIGHT, f"paths.outputs={outputs}"])
        shutil.copytree(outputs, copy)
    shutil.rmtree(outputs)
    shutil.copytree(copy, outputs)
    return outputs, records(kept / "unbroken")[0]


@pytest.mark.parametrize("newest", ["whole", "cut", "of before results were kept"])
def test_run_broken_off_after_its_last_epoch_has_the_scores_of_an_unbroken_one(cli, broken_off, newest):
    outputs, whole = broken_off
    assert records(outputs) == []
    path = max(outputs.rglob("checkpoints/*.ckpt"))
    if newest == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    if old := newest.startswith("of before"):
        content = torch.load(path, weights_only=True)
        del content["msaseg"]["results"]
        torch.save(content, path)
    assert cli(*LIGHT, f"paths.outputs={outputs}") == 0
    (resumed,) = records(outputs)
    assert set(whole.metrics) == {"train", "val", "test"}
    parts = {"test"} if old else {"train", "val", "test"}
    assert resumed.metrics == {part: whole.metrics[part] for part in parts}
    assert resumed.confusion == {part: whole.confusion[part] for part in parts}
    assert [epoch for epoch, _ in resumed.history["train/loss"]] == [1, 2]
    (log,) = outputs.rglob("train.log")
    assert ("epoch=0001.ckpt cannot be read" in log.read_text()) == (newest == "cut")
    assert f"epoch=000{int(newest != 'cut')}.ckpt" in log.read_text().partition("resuming from")[2]
