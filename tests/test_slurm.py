"""`hydra/launcher=slurm`: what a task does, and sweeps on a real Slurm with every way in which it stops a run."""

import json
import os
import re
import signal
import subprocess
import sys
from io import StringIO

import command_line
import pytest
from command_line import TINY, records, told
from rich.console import Console
from slurm_cluster import Cluster, missing_packages
from waiting import wait_until

from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.sweep import slurm
from msaseg.sweep.job import Job
from msaseg.sweep.progress import SweepProgress
from msaseg.sweep.slurm import Slurm, Task

STAND_IN = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("stopped"), sys.exit(143)))
print("words", sys.argv[1:], flush=True)
time.sleep(float(sys.argv[1]))
sys.exit(7)
"""


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Start the script of an array of two, as the second of its tasks; the commands of Slurm leave notes."""
    (tmp_path / "standin.py").write_text(STAND_IN)
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho $* >>{tmp_path}/asked\n")
    (tmp_path / "scontrol").chmod(0o755)
    log = tmp_path / "it's a log"

    def start(*words, **environment):
        jobs = [Job("a", ("none",), log, log), Job("b", ("standin", *words), log, log)]
        script = Slurm.of(64, 3, "export A=1").script(jobs)
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "1", "SLURM_JOB_ID": "9", **environment},
        )

    return start, log, tmp_path / "asked"


def test_task_makes_its_run_into_its_log_and_ends_with_its_status(task):
    start, log, _ = task
    assert start("0", "protocol.source='x y'").wait(30) == 7
    assert "words ['0', \"protocol.source='x y'\"]" in log.read_text()


@pytest.mark.parametrize(("before", "asked"), [("2", ["requeue 9"]), ("3", [])])
def test_task_whose_time_is_nearly_up_is_queued_again_so_many_times(task, before, asked):
    start, log, notes = task
    running = start("2", SLURM_RESTART_COUNT=before)
    wait_until(lambda: log.exists() and "words" in log.read_text(), lambda: "it does not start")
    running.send_signal(signal.SIGUSR2)
    assert running.wait(30) == 7
    assert (notes.read_text().splitlines() if notes.exists() else []) == asked


def test_task_told_to_stop_passes_it_on_and_waits(task):
    start, log, _ = task
    running = start("30")
    wait_until(lambda: log.exists() and "words" in log.read_text(), lambda: "it does not start")
    running.terminate()
    assert running.wait(30) == 143
    assert log.read_text().endswith("stopped\n")


def test_slurm_that_is_not_there_is_told_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no squeue here"):
        slurm.look()


def test_gpus_that_cannot_be_shared_out_over_the_nodes_are_refused():
    with pytest.raises(UserError, match=r"nodes=2: set .* to a multiple of it, not 3"):
        Slurm.of(2, 3, [], nodes=2, gpus=3)


def two_jobs(folder):
    return [Job(name, ("none",), folder / name / "console.log", folder / f"{name}.json") for name in ("made", "lost")]


def watch(jobs, answers, monkeypatch):
    """Have an engine make jobs while Slurm's queue gives these answers; return what is shown."""
    monkeypatch.setattr(slurm, "LOOK", 0)
    monkeypatch.setattr(slurm, "look", lambda: next(answers))
    screen = StringIO()
    with SweepProgress(len(jobs), console=Console(file=screen, width=200)) as shown:
        Slurm.of(2, 3, [], partition="p", account=None, cpus_per_task=4, nodes=2, gpus=4).run(
            jobs, shown, {"X": "told"}
        )
    return screen.getvalue().splitlines()


def test_sweep_queues_an_array_with_the_options_that_are_set_and_watches_its_tasks(tmp_path, monkeypatch):
    made, lost = jobs = two_jobs(tmp_path)
    (tmp_path / "sbatch").write_text(f"#!/bin/bash\nprintf '%s\\n' $X \"$@\" >{tmp_path}/asked; echo '5;name'\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def answers():
        waiting, running = Task("PENDING", ""), Task("RUNNING", "n1")
        yield {"4_0": running}
        yield {"5_0": running, "5_1": waiting}
        yield {"5_0": waiting, "5_1": waiting}
        yield None
        yield {"5_0": running, "5_1": running}
        made.result.write_text("{}")
        lost.log.write_text("error: it broke\n")
        yield {}
        yield {}

    assert watch(jobs, answers(), monkeypatch) == [
        "made starts on n1",
        "made is back in the queue",
        "made starts on n1",
        "lost starts on n1",
        "[1/2] made done in 0 s; running: lost (n1)",
        f"[2/2] lost FAILED after 0 s: no record: error: it broke; log: {lost.log}",
    ]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "told"
    assert {"--requeue", "--array=0-1%2", "--partition=p", "--cpus-per-task=4", "--gpus-per-node=2"} < set(asked)
    assert not any("account" in word for word in asked)
    assert (lost.log.parent / "slurm.task").read_text() == "5_1"


def test_sweep_watches_tasks_that_are_queued_and_queues_no_other(tmp_path, monkeypatch):
    jobs = two_jobs(tmp_path)
    monkeypatch.setenv("PATH", "")  # so there is no sbatch
    for job, task in zip(jobs, ("3_0", "5_1"), strict=True):
        job.log.parent.mkdir()
        job.log.touch()
        (job.log.parent / "slurm.task").write_text(task)
    queue = {"3_0": Task("PENDING", ""), "5_1": Task("PENDING", "")}
    ends = [line.partition(" FAILED")[0] for line in watch(jobs, iter([queue, queue, {}, {}]), monkeypatch)]
    assert ends == ["[1/2] made", "[2/2] lost"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if missing_packages():
        pytest.skip(f"apt-get install {' '.join(missing_packages())}")
    with Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


TASKS = ["hydra/launcher=slurm", "hydra.launcher.mem=100", "trainer.accelerator=cpu"]
SMOKE = ["+experiment=pooling_sweep", "protocol=smoke", "logger=csv"]


def started(cluster, folder, *words):
    return command_line.started(folder, *words, **cluster.environment, OMP_NUM_THREADS="1")


def tasks(cluster, state):
    return cluster.ask("squeue", "--me", "-hr", f"--states={state}", "--format=%i").split()


def rows_with_checkpoints(folder):
    return {path.parents[2].name for path in folder.rglob("checkpoints/*.ckpt")}


@pytest.mark.slurm
def test_sweep_with_a_killed_and_preempted_tasks_completes_its_table(cluster, tmp_path):
    words = ["-m", *TASKS, *SMOKE, "hydra.launcher.cpus_per_task=2"]  # one on each node
    with started(cluster, tmp_path, *words, "hydra.launcher.partition=low") as process:
        wait_until(lambda: len(rows_with_checkpoints(tmp_path)) == 2, cluster.logs, 120)
        cluster.kill(tasks(cluster, "RUNNING")[0])
        wait_until(lambda: any("FAILED" in line for line in told(tmp_path)), cluster.logs)
        wait_until(lambda: tasks(cluster, "RUNNING") and rows_with_checkpoints(tmp_path) - {"pool0"}, cluster.logs)
        cluster.ask(
            "sbatch", "--partition=high", "--nodes=2", "--exclusive", f"--output={tmp_path}/x", "--wrap=sleep 1"
        )
        assert process.wait(400) == 2
    lines = told(tmp_path)
    preempted = [line.partition("/")[0] for line in lines if line.endswith("is back in the queue")]
    assert preempted
    assert {line[-2:] for line in lines if " starts on " in line} == {"n1", "n2"}
    assert any("FAILED" in line and "killed (signal 9)" in line for line in lines)
    assert lines[-1].startswith("error: 1 of 6 runs failed: ")
    with started(cluster, tmp_path, *words) as process:
        assert process.wait(200) == 0
    assert told(tmp_path)[0] == "5 of 6 runs are finished already (rerun=true makes them again)"
    command = [sys.executable, "-m", "msaseg.tables", "missing", "--table", "pooling_sweep", "--protocol", "smoke"]
    environment = os.environ | {"MSASEG_OUTPUTS": str(tmp_path)}
    assert subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout == b""
    logs = {path.parents[1].name: path.read_text() for path in tmp_path.glob("runs/*/*/*/*/console.log")}
    row = next(row for row in preempted if "resuming from" in logs[row])
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    poolings = f"model.net.num_poolings={row.removeprefix('pool')}"
    with started(cluster, undisturbed, *SMOKE, poolings, "trainer.accelerator=cpu") as process:
        assert process.wait(120) == 0
    (expected,) = records(undisturbed)
    (found,) = (record for record in records(tmp_path) if record.row == expected.row)
    assert found.confusion == expected.confusion


@pytest.mark.slurm
def test_run_on_two_devices_whose_time_is_up_goes_on_as_often_as_it_may(cluster, tmp_path):
    words = [*TINY, "trainer.devices=2", "protocol.epochs=9999"]
    words += ["hydra.launcher.time=1", "hydra.launcher.signal=B:USR2@20", "hydra.launcher.requeues=1"]
    with started(cluster, tmp_path, "-m", *TASKS, "hydra.launcher.cpus_per_task=1", *words) as process:
        assert process.wait(400) == 2
    assert [line.partition("/seed0 ")[2] for line in told(tmp_path)[1:4]] == [
        "starts on n1",
        "is back in the queue",
        "starts on n1",
    ]
    assert re.search(
        r"FAILED after \d+ s: no record: stopped; the same command goes on from epoch \d+;", told(tmp_path)[4]
    )
    assert len(told(tmp_path)) == 6
    (log,) = tmp_path.glob("runs/*/*/*/*/console.log")
    assert "resuming from" in log.read_text()
    assert "CUDA_VISIBLE_DEVICES=0,1" in log.read_text()


OVER_TWO_NODES = ["data.batch_size=6", "trainer.devices=2", "hydra.launcher.nodes=2"]


@pytest.mark.slurm
def test_run_over_two_nodes_survives_a_killed_process_and_scores_as_one_process(cluster, tmp_path):
    words = [*TASKS, *TINY, *OVER_TWO_NODES, "model.lr=0.01", "protocol.epochs=6", "hydra.launcher.cpus_per_task=1"]
    with started(cluster, tmp_path, "-m", *words) as process:
        wait_until(lambda: rows_with_checkpoints(tmp_path), cluster.logs, 120)
        cluster.kill(tasks(cluster, "RUNNING")[0], "SLURM_NODEID=1", "SLURM_PROCID=1")
        assert process.wait(120) == 2
    assert told(tmp_path)[1].endswith(" starts on n[1-2]")
    assert "FAILED" in told(tmp_path)[2]
    with started(cluster, tmp_path, "-m", *words) as process:
        assert process.wait(200) == 0
    (log,) = tmp_path.glob("runs/*/*/*/*/console.log")
    assert "resuming from" in log.read_text()
    (record,) = records(tmp_path)
    assert record.hardware["processes"] == 2
    (weights,) = tmp_path.glob("runs/*/*/*/*/weights.ckpt")
    scores = tmp_path / "scores.json"
    command = [sys.executable, "-m", "msaseg.evaluate", weights, f"--out={scores}", "--device=cpu"]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"MSASEG_OUTPUTS": str(tmp_path)}, check=True)
    assert json.loads(scores.read_text())["confusion"] == record.confusion["test"]


@pytest.mark.slurm
def test_sweep_stopped_with_ctrl_c_leaves_its_tasks_which_the_same_command_watches(cluster, tmp_path):
    words = ["-m", *TASKS, "hydra.launcher.cpus_per_task=1", *TINY, "seed=0,1", "hydra.launcher.array_parallelism=1"]
    with started(cluster, tmp_path, *words) as process:
        wait_until(lambda: list(tmp_path.rglob("slurm.task")), cluster.logs)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    first, last = told(tmp_path)
    number = first.removeprefix("runs queued as Slurm job ").partition(":")[0]
    assert (
        last == f"stopped; the same command goes on from here; its tasks stay in Slurm (`scancel {number}` ends them)"
    )
    with started(cluster, tmp_path, *words) as process:
        assert process.wait(120) == 0
    assert not any("queued" in line for line in told(tmp_path))
    assert [record.seed for record in records(tmp_path)] == [0, 1]


@pytest.mark.slurm
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra.launcher.partition=none"], "sbatch: .*Invalid partition name.*hydra.launcher.partition=NAME"),
        (["model.lr=1e30"], "the loss became nan at step 2"),
        (["model.lr=1e30", *OVER_TWO_NODES], "the loss became nan at step 2"),
        (["trainer.devices=3", *OVER_TWO_NODES[2:], "data.batch_size=3"], "hydra.launcher.nodes=2: set"),
    ],
)
def test_mistake_ends_in_one_line(cluster, tmp_path, words, message):
    with started(cluster, tmp_path, "-m", *TASKS, "hydra.launcher.cpus_per_task=1", *TINY, *words) as process:
        assert process.wait(120) == 2
    lines = told(tmp_path)
    assert re.search(f"error: {message}", lines[-2] if len(lines) > 1 else lines[-1]), lines
    assert len(lines) <= 4
