"""`hydra/launcher=ray`: sweeps on a Ray of this machine with two pretended GPUs, and what ends its tasks."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from command_line import STAND_IN, TINY, records, started, told
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from waiting import wait_for_end, wait_until

from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.sweep.job import Job
from msaseg.sweep.ray import Ray, make

SMOKE = ["+experiment=pooling_sweep", "protocol=smoke", "model.net.num_poolings=0,1,2", "seed=0", "logger=none"]
STANDS_IN = ["+hydra.launcher.train_module=standin"]
ON_CPU = ["hydra.launcher.gpus=0", "trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def cluster():
    """The variables that a command needs on a Ray of two pretended GPUs, and how to reach it."""
    pytest.importorskip("ray")
    folder = tempfile.mkdtemp(prefix="ray")  # a short path: those of sockets have at most 107 bytes
    port = find_free_network_port()
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "ab" * 32, "OMP_NUM_THREADS": "1", "TMPDIR": folder}
    variables["PYTHONPATH"] = str(ROOT)  # as where the suite is installed on each machine
    words = [f"--port={port}", f"--temp-dir={folder}", "--num-gpus=2", "--num-cpus=2", "--include-dashboard=false"]
    words += ["--node-ip-address=127.0.0.1", "--disable-usage-stats"]
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", *words]
    with Path(folder, "output").open("w") as output:
        process = subprocess.Popen(command, env=os.environ | variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        told = Path(folder, "output").read_text
        wait_until(lambda: "Ray runtime started" in told(), told, 120)
        yield variables, f"hydra.launcher.address=127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder, *words, **variables):
    (folder / "standin.py").write_text(textwrap.dedent(STAND_IN))
    variables |= {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    return started(folder, "-m", "hydra/launcher=ray", *words, cwd=folder, **variables)


def made(folder):
    return sorted(path.parent.name for path in (folder / "records").rglob("*.json"))


def logs(folder):
    return {path.parents[1].name: path.read_text() for path in folder.glob("runs/*/*/*/*/console.log")}


@pytest.mark.slow
def test_sweep_with_a_failing_run_names_it_and_the_same_command_makes_it_alone(cluster, tmp_path):
    variables, address = cluster
    with sweep(tmp_path, *SMOKE, address, *STANDS_IN, **variables, BREAK_pool1="raise", SECONDS="2") as process:
        assert process.wait(120) == 2
    lines = told(tmp_path)
    assert len(lines) == 7  # three starts, three ends, and
    assert lines[-1].startswith("error: 1 of 3 runs failed: pool1/seed0 (exit code 1); ")
    assert any(
        "pool1/seed0 FAILED" in line and "exit code 1: RuntimeError: loss is NaN; log: " in line for line in lines
    )
    assert {line.partition(", ")[2] for line in lines if " starts on " in line} == {"GPU 0", "GPU 1"}
    assert made(tmp_path) == ["pool0", "pool2"]
    assert logs(tmp_path)["pool1"].count("python -m standin") == 1  # not tried again
    assert {re.search("GPUs (.*)", log)[1] for log in logs(tmp_path).values()} == {"0", "1"}

    with sweep(tmp_path, *SMOKE, address, *STANDS_IN, "trainer.devices=2", **variables) as process:
        assert process.wait(120) == 0
    assert told(tmp_path)[0] == "2 of 3 runs are finished already (rerun=true makes them again)"
    assert told(tmp_path)[1].endswith(", GPU 0,1")
    assert len(told(tmp_path)) == 3
    assert made(tmp_path) == ["pool0", "pool1", "pool2"]

    with sweep(tmp_path, *SMOKE, "hydra.launcher.address=nowhere:1", *STANDS_IN) as process:
        assert process.wait(60) == 0  # it asks no Ray
    assert told(tmp_path) == ["3 of 3 runs are finished already (rerun=true makes them again)"]


@pytest.mark.slow
def test_runs_that_take_a_part_share_a_gpu(cluster, tmp_path):
    variables, address = cluster
    words = ["hydra.launcher.gpus=0.5", "model.net.num_poolings=0,1"]
    with sweep(tmp_path, *SMOKE, *words, address, *STANDS_IN, **variables, SECONDS="5") as process:
        assert process.wait(120) == 0
    assert [line.rpartition(" ")[2] for line in told(tmp_path)[:2]] == ["0", "0"]
    assert made(tmp_path) == ["pool0", "pool1"]


@pytest.mark.slow
def test_run_whose_worker_is_killed_is_started_again_and_goes_on(cluster, tmp_path):
    variables, address = cluster
    with sweep(tmp_path, *TINY, *ON_CPU, "protocol.epochs=4", "seed=0", address, **variables) as process:
        wait_until(lambda: list(tmp_path.rglob("checkpoints/*.ckpt")), lambda: str(told(tmp_path)), 120)
        os.kill(worker_of(tmp_path), signal.SIGKILL)
        assert process.wait(180) == 0
    of_the_run = [line.partition("/seed0 ")[2] for line in told(tmp_path) if line.startswith("msanet/seed0 ")]
    assert [line.partition(" on ")[0] for line in of_the_run] == ["starts", "is back in the queue", "starts"]
    assert len(records(tmp_path)) == 1
    assert "resuming from" in logs(tmp_path)["msanet"]


def worker_of(folder):
    """Return the process of Ray that has the sweep's run: it works in the folder of the sweep."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes().startswith(b"ray::msanet") and (path / "cwd").readlink() == folder:
                return int(path.name)
        except OSError:  # it is over, or another user's
            continue
    raise AssertionError("there is none")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status", "local"),
    [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False), (signal.SIGKILL, -9, False)],
)
def test_sweep_that_is_stopped_takes_its_tasks_along(cluster, tmp_path, number, status, local):
    variables, address = cluster
    home = tmp_path / "home"
    home.mkdir()
    where = {"HOME": str(home)} | ({} if local else variables)
    words = [*TINY, *ON_CPU, "seed=0,1", "hydra.launcher.cpus=2", *STANDS_IN, *([] if local else [address])]
    with sweep(tmp_path, *words, **where, SECONDS="600") as process:
        wait_until(lambda: told(tmp_path) and "process" in logs(tmp_path)["msanet"], lambda: "nothing starts", 120)
        ours = [worker_of(tmp_path), int(re.search(r"process (\d+)", logs(tmp_path)["msanet"])[1])]
        process.send_signal(number)
        assert process.wait(60) == status
    assert told(tmp_path)[1:] == ["stopped; the same command goes on from here"] * (status > 0)
    wait_for_end(*ours)
    assert list(tmp_path.rglob("seed1*/console.log")) == []
    assert list(home.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("gpus=3", "hydra.launcher.gpus=3, cpus=1: no machine of this Ray has so many"),
        ("gpus=-1", "ValueError: The quantity of resource num_gpus cannot be negative"),
        ("gpus=many", "TypeError: The type of keyword 'num_gpus' must be"),
        ("address=127.0.0.1:1", "hydra.launcher.address=127.0.0.1:1: ConnectionRefusedError: "),
    ],
)
def test_mistake_ends_in_one_line(cluster, tmp_path, word, message):
    variables, address = cluster
    words = [address] if "address" not in word else []
    with sweep(tmp_path, *TINY, *words, f"hydra.launcher.{word}", **variables) as process:
        assert process.wait(60) == 2
    (line,) = told(tmp_path)
    assert line.startswith("error: hydra.launcher")
    assert message in line


def test_ray_that_is_not_installed_is_told_with_the_mend(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'msaseg\[ray\]'"):
        Ray("somewhere:1", 1, 1, 0).run([], None, {})


def test_task_whose_record_was_made_since_it_was_asked_for_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = tmp_path / "record.json"
    record.touch()
    (outcome,) = make(Job("a", ("none",), tmp_path / "run" / "console.log", record), 0, {}, str(tmp_path))
    assert (outcome.seconds, outcome.failure) == (0.0, None)
    assert list(tmp_path.iterdir()) == [record]
