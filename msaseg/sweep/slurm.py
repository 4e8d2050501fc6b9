"""Runs as tasks of a Slurm job array. Slurm may stop a task and start it again: its run goes on."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from msaseg.cli.errors import UserError
from msaseg.cli.stopping import goes_on_from
from msaseg.sweep.job import Job
from msaseg.sweep.places import LEASED, Place
from msaseg.sweep.progress import SweepProgress
from msaseg.sweep.slots import Outcome, Running, last_line

LOOK = 5.0
"""Seconds between two looks at Slurm's queue."""

TASK = "slurm.task"
"""File in a run's folder with the task that makes it, such as "12_3"."""

SCRIPT = """#!/bin/bash
case $SLURM_ARRAY_TASK_ID in
{cases}
esac
exec >>"$log" 2>&1
echo "==== $(date +%FT%T%:z) Slurm job $SLURM_JOB_ID on $SLURMD_NODENAME" \
    "CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES python -m ${{command[*]}}"
{setup}
export PYTHONUNBUFFERED=1 {leased}="$CUDA_VISIBLE_DEVICES"
{python} -m "${{command[@]}}" & run=$!
trap 'test "${{SLURM_RESTART_COUNT:-0}}" -lt {requeues} && scontrol requeue "$SLURM_JOB_ID"' USR2
trap 'kill -TERM $run' TERM
while wait $run; status=$?; kill -0 $run 2>/dev/null; do :; done
test $status = 137 && echo "killed (signal 9): if memory ran out, raise hydra.launcher.mem"
exit $status
"""
"""What a task does. Slurm sends USR2 to it, and to it alone, when its time is nearly up."""


class Task(NamedTuple):
    """What `squeue` tells of a task.

    Args:
        state: such as "PENDING".
        node: where it runs.
    """

    state: str
    node: str


class Watched:
    """A job that is a task of Slurm.

    Args:
        job: that is.
        task: such as "12_3".
    """

    def __init__(self, job: Job, task: str) -> None:
        self.job, self.task = job, task
        self.running: Running | None = None
        self._since, self._unseen = time.monotonic(), 0
        self._head = job.log.stat().st_size

    def look(self, seen: Task | None, shown: SweepProgress) -> Outcome | None:
        """Take in what `squeue` tells of the task, and return how the job ended, if it did."""
        self._unseen = 0 if seen else self._unseen + 1
        if self._unseen > 1:  # once it may be between two states, or its record on the way to this machine
            seconds = time.monotonic() - (self.running.since if self.running else self._since)
            failure = None if self.job.is_done else f"no record{last_line(self.job.log, self._head)}"
            return Outcome(self.job, seconds, failure)
        if seen and seen.state == "RUNNING" and not self.running:
            self.running = Running(self.job, Place(seen.node), time.monotonic(), self._head)
            shown.started(self.running)
        elif seen and seen.state == "PENDING" and self.running:
            shown.returned(self.running)
            self.running = None
        return None


@dataclass(frozen=True)
class Slurm:
    """Makes runs as tasks of a Slurm job array: the values of `conf/hydra/launcher/slurm.yaml`.

    Tasks do not end with this process. Another one that is to make the same runs watches those that are queued.

    Args:
        array_parallelism: how many tasks run at a time (>= 1).
        requeues: how often a task is queued again because its time is up.
        setup: lines of shell before each run.
        options: those of `sbatch` without their dashes; None leaves one out.
    """

    array_parallelism: int
    requeues: int
    setup: tuple[str, ...]
    options: Mapping[str, object]

    @classmethod
    def of(cls, array_parallelism: int, requeues: int, setup: str | Sequence[str], **options: object) -> "Slurm":
        """Return what a configuration says, where options have `_` for `-` and `gpus` is of all nodes together.

        Raises:
            UserError: as many GPUs cannot be shared out over the nodes.
        """
        named = {key.replace("_", "-"): value for key, value in options.items()}
        gpus, nodes = named.get("gpus"), named.get("nodes")
        if isinstance(gpus, int) and isinstance(nodes, int) and nodes > 1:
            if gpus % nodes:
                raise UserError(f"hydra.launcher.nodes={nodes}: set trainer.devices to a multiple of it, not {gpus}")
            named["gpus-per-node"] = gpus // nodes
            del named["gpus"]
        return cls(array_parallelism, requeues, (setup,) if isinstance(setup, str) else tuple(setup), named)

    def run(self, jobs: Sequence[Job], shown: SweepProgress, environment: Mapping[str, str]) -> list[Outcome]:
        """Queue what is not queued, and watch all of it; as an `Engine`.

        Raises:
            UserError: Slurm refuses the array, or there is no Slurm here.
        """
        queue = look()
        watched = [Watched(job, task) for job in jobs if queue and (task := _task_of(job)) in queue]
        known = {each.job for each in watched}
        watched += self._submit([job for job in jobs if job not in known], environment)
        arrays = " ".join(sorted({each.task.partition("_")[0] for each in watched}))
        goes_on_from(lambda: f"here; its tasks stay in Slurm (`scancel {arrays}` ends them)")
        outcomes: list[Outcome] = []
        while watched:
            time.sleep(LOOK)
            queue = look()
            if queue is None:
                continue
            for each in list(watched):
                outcome = each.look(queue.get(each.task), shown)
                if outcome is not None:
                    watched.remove(each)
                    outcomes.append(outcome)
                    shown.ended(outcome)
            shown.look([each.running for each in watched if each.running])
        return outcomes

    def _submit(self, jobs: Sequence[Job], environment: Mapping[str, str]) -> list["Watched"]:
        """Queue an array of jobs."""
        if not jobs:
            return []
        for job in jobs:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.log.touch()
        if self.options.get("output"):
            Path(str(self.options["output"])).parent.mkdir(parents=True, exist_ok=True)
        array = f"--array=0-{len(jobs) - 1}%{self.array_parallelism}"
        options = [f"--{key}={value}" for key, value in self.options.items() if value is not None]
        told = _ask("sbatch", "--parsable", "--requeue", "--open-mode=append", array, *options,
                    script=self.script(jobs), environment=environment)  # fmt: skip
        if told.returncode != 0:
            why = "; ".join(line.removeprefix("sbatch: ") for line in told.stderr.splitlines())
            raise UserError(f"sbatch: {why} (its options are hydra.launcher.*, as in hydra.launcher.partition=NAME)")
        number = told.stdout.strip().partition(";")[0]
        print(f"runs queued as Slurm job {number}: {len(jobs)}", flush=True)
        queued = [Watched(job, f"{number}_{index}") for index, job in enumerate(jobs)]
        for each in queued:
            (each.job.log.parent / TASK).write_text(each.task)
        return queued

    def script(self, jobs: Sequence[Job]) -> str:
        """Return what `sbatch` takes: the command and log of every task."""
        cases = [
            f"{index}) log={shlex.quote(str(job.log))} command=({shlex.join(job.command)});;"
            for index, job in enumerate(jobs)
        ]
        return SCRIPT.format(
            cases="\n".join(cases),
            setup="\n".join(self.setup),
            leased=LEASED,
            python=shlex.quote(sys.executable),
            requeues=self.requeues,
        )


def look() -> dict[str, Task] | None:
    """Return the tasks of this user that Slurm has not ended, or None while it does not answer."""
    told = _ask("squeue", "--me", "--array", "--noheader", "--format=%i %T %N")
    if told.returncode != 0:
        return None
    rows = [line.split(" ") for line in told.stdout.splitlines()]
    return {row[0]: Task(row[1], row[2]) for row in rows}


def _ask(
    *words: str, script: str | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, input=script, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=120
        )
    except FileNotFoundError as error:
        raise UserError(f"hydra/launcher=slurm: there is no {words[0]} here: start it where Slurm is") from error
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", "no answer")


def _task_of(job: Job) -> str | None:
    try:
        return (job.log.parent / TASK).read_text()
    except OSError:
        return None
