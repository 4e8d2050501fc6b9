"""One run in several processes: the batches, losses and scores of one, and it stops as one."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch
from command_line import ODD_FOLDER, TINY, lose_power, piped, records
from torch.nn.modules.batchnorm import _BatchNorm
from waiting import wait_for_end, wait_until

from msaseg.cli.errors import UserError
from msaseg.data import sampler as sampler_module
from msaseg.data.sampler import EpochSampler
from msaseg.evaluate.__main__ import main as evaluate
from msaseg.nets.encoders.timm_model import TimmEncoder
from msaseg.training.batch_norm import BatchNormOverProcesses
from msaseg.training.processes import nodes

CPU = [*TINY, "trainer.accelerator=cpu"]


@pytest.mark.parametrize("frames", [8, 9, 10, 11, 12, 13])
@pytest.mark.parametrize("world", [2, 3])
def test_processes_together_make_the_batches_of_one(monkeypatch, frames, world):
    def batches(rank, world, batch):
        monkeypatch.setattr(sampler_module, "_rank_and_world", lambda: (rank, world))
        keys = list(EpochSampler(frames, seed=3, batch_size=6))
        return [keys[i : i + batch] for i in range(0, len(keys), batch)]

    shared = [batches(rank, world, 6 // world) for rank in range(world)]
    joined = [{key for part in parts for key in part} for parts in zip(*shared, strict=True)]
    alone = [set(batch) for batch in batches(0, 1, 6)]
    assert joined == [batch for batch in alone if len(batch) >= world]


@pytest.mark.parametrize("gpu", [False, True])
def test_batch_norm_exchanged_for_a_fit_computes_the_same_keeps_its_tensors_and_comes_back(gpu):
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3), TimmEncoder("tf_efficientnet_lite0", "none")).eval()
    images = torch.rand(1, 3, 64, 64)
    norms = {module: type(module) for module in net.modules() if isinstance(module, _BatchNorm)}
    before, expected = net.state_dict(), net(images)
    sync = BatchNormOverProcesses(gpu=gpu)
    sync.apply(net)
    assert len(norms) > 40
    assert not any(type(module) is kind for module, kind in norms.items())
    assert list(net.state_dict()) == list(before)
    torch.testing.assert_close(net(images), expected)
    sync.revert(net)
    assert {module: type(module) for module in norms} == norms


def test_batch_norm_of_another_kind_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"^BatchNorm1d: .* set trainer\.devices=1$"):
        BatchNormOverProcesses(gpu=False).apply(torch.nn.BatchNorm1d(3))


def points(record, series):
    return [value for _, value in record.history[series]]


NETS = {"fcn8_vgg16": 1e-5, "msanet": 2e-3, "msanet model/net/encoder=tf_efficientnet_lite0": 2e-3}
"""Largest relative difference of a loss; Adam amplifies what batch norm rounds otherwise."""


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
def test_two_processes_of_half_a_batch_have_the_losses_of_one(cli, tmp_path, net):
    words = [*CPU, *f"model={net}".split(), "data.batch_size=4", "protocol.average=0.9"]
    words += ["protocol.source.train=11", "protocol.source.val=3"]
    assert cli(*words, f"paths.outputs={tmp_path / 'one'}") == 0
    assert cli(*words, f"paths.outputs={tmp_path / 'two'}", "trainer.devices=2") == 0
    (one,), (two,) = records(tmp_path / "one"), records(tmp_path / "two")
    assert (one.hardware["processes"], two.hardware["processes"]) == (1, 2)
    assert one.config_hash == two.config_hash
    assert len(points(one, "train/step_loss")) == 6
    for series in ("train/step_loss", "train/loss", "val/loss"):
        assert points(two, series) == pytest.approx(points(one, series), rel=NETS[net]), series
    assert two.value("pixel_accuracy_pct") == pytest.approx(one.value("pixel_accuracy_pct"), abs=1)


@pytest.mark.slow
def test_scores_of_the_same_weights_are_those_of_one_process_exactly(cli, tmp_path):
    words = [*CPU, "data.batch_size=6", "model.lr=0.01", "protocol.source.train=24"]
    words += ["protocol.source.val=4", "protocol.source.test=7"]
    lose_power(cli, words)
    shutil.copytree(tmp_path / "runs", tmp_path / "before")
    scored = []
    for count in (1, 2, 3):
        shutil.rmtree(tmp_path / "runs")
        shutil.copytree(tmp_path / "before", tmp_path / "runs")
        assert cli(*words, f"trainer.devices={count}", "rerun=true") == 0
        (record,) = records(tmp_path)
        assert record.hardware["processes"] == count
        scored.append((record.confusion["test"], record.metrics["test"], record.frame_matrices))
    assert scored[0] == scored[1] == scored[2]
    assert sum(map(bool, torch.tensor(scored[0][0]).sum(0))) > 1  # it predicts several classes


@pytest.mark.slow
def test_runs_in_processes_of_a_sweep_take_all_places_and_score_as_one_process(cli, tmp_path, monkeypatch, capfd):
    folder = tmp_path / ODD_FOLDER
    monkeypatch.setenv("MSASEG_OUTPUTS", str(folder))
    words = ["data.batch_size=6", "model.lr=0.01", "protocol.source.train=24", "protocol.source.test=7"]
    assert cli("-m", *CPU, *words, "trainer.devices=2", "seed=0,1", "hydra.launcher.jobs_on_cpu=2") == 0
    told = re.findall(r"msanet/seed(\d) (starts|done)", capfd.readouterr().out)
    assert told == [("0", "starts"), ("0", "done"), ("1", "starts"), ("1", "done")]
    first, second = made = records(folder)
    assert [(record.seed, record.hardware["processes"]) for record in made] == [(0, 2), (1, 2)]
    assert first.confusion != second.confusion
    for record in made:
        (weights,) = folder.glob(f"runs/*/*/*/seed{record.seed}*/weights.ckpt")
        assert evaluate([str(weights), f"--out={tmp_path / 'scores.json'}", "--device=cpu"]) == 0
        alone = json.loads((tmp_path / "scores.json").read_text())
        assert alone["confusion"] == record.confusion["test"]


def start(folder, *words):
    return piped(folder, "-m", "msaseg.train", *CPU, "trainer.devices=2", *words)


def workers(process):
    """Return the processes that a run's process started, by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (folder / "environ").read_text()
        except OSError:
            continue
        if parent == process.pid and (rank := re.search(r"\0RANK=(\d)", environment)):
            found[int(rank[1])] = int(folder.name)
    return found


def training(folder, *words):
    process = start(folder, "protocol.epochs=500", *words)
    wait_until(lambda: list(folder.rglob("checkpoints/*.ckpt")) or process.poll() is not None, seconds=200)
    assert process.poll() is None, process.communicate()
    return process, workers(process)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_run_in_processes_told_to_stop_ends_as_one(tmp_path, number):
    process, pids = training(tmp_path)
    assert set(pids) == {0, 1}
    process.send_signal(number)
    _, errors = process.communicate(timeout=100)
    wait_for_end(*pids.values(), seconds=15)
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert re.fullmatch(r"stopped; the same command goes on from epoch \d+\n", errors), errors
    assert not list(tmp_path.rglob("records/**/*.json"))


@pytest.mark.slow
def test_run_of_which_a_process_is_killed_names_it_and_stops_the_other(tmp_path):
    process, pids = training(tmp_path)
    os.kill(pids[1], signal.SIGKILL)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 2
    assert errors.startswith("error: process 2 of 2 was killed by signal 9: ")
    assert errors.count("\n") == 1, errors
    wait_for_end(*pids.values(), seconds=15)


@pytest.mark.slow
def test_mistake_that_all_processes_meet_is_told_once(tmp_path):
    process = start(tmp_path, "model.lr=1e30")
    output, errors = process.communicate(timeout=400)
    assert process.returncode == 2, errors
    assert re.fullmatch(r"error: the (loss became|weights are no numbers) .*\n", errors), errors
    assert "Traceback" not in output


def test_run_in_a_slurm_job_of_two_nodes_is_started_on_both(cli, tmp_path, monkeypatch):
    (tmp_path / "srun").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/asked; exit 3\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    assert cli(*CPU, "trainer.devices=4") == 3
    asked = (tmp_path / "asked").read_text().splitlines()
    assert {"--nodes=2", "--ntasks=4", "--ntasks-per-node=2", "--cpus-per-task=4"} < set(asked)
    assert "trainer.devices=4" in asked
    monkeypatch.setenv("SLURM_STEP_ID", "0")  # a task of a step already: it stays on its node
    assert nodes() == 1


def test_fewer_frames_than_devices_are_refused_in_one_line(cli, capsys, monkeypatch):
    monkeypatch.setenv("MSASEG_RUN_DIR", "here")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr("msaseg.training.processes.PAUSE", 0)
    assert cli(*CPU, "trainer.devices=4") == 2
    assert capsys.readouterr().err == "error: trainer.devices=4: val has 2 frames: set fewer devices\n"
