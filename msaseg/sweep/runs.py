"""Make runs: each as a process, on the free GPUs or cores of this machine, the longest first."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from omegaconf import DictConfig, OmegaConf

from msaseg.cli.errors import UserError
from msaseg.config import CONF
from msaseg.sweep.gpus import Gpu, visible_gpus
from msaseg.sweep.job import Job
from msaseg.sweep.places import Places, share_cores
from msaseg.sweep.progress import SweepProgress
from msaseg.sweep.slots import Outcome, Slots
from msaseg.training.wandb_mode import for_the_jobs


class Engine(Protocol):
    """What makes runs."""

    def run(self, jobs: Sequence[Job], shown: SweepProgress, environment: Mapping[str, str]) -> list[Outcome]:
        """Make runs, the first ones first, tell how far they are, and return how each ended.

        Args:
            jobs: one a run.
            shown: is told of every start and end.
            environment: variables that every run gets on top of this process's.
        """


@dataclass(frozen=True)
class Settings:
    """How runs share a machine: the values of `conf/hydra/launcher/gpus.yaml`.

    Args:
        jobs_per_gpu: how many runs may share a GPU (>= 1).
        jobs_on_cpu: how many runs share a machine without GPU (>= 1); each computes with its part of the cores.
        preload: modules that are loaded once, for all runs.

    Raises:
        UserError: one of these numbers is below 1.
    """

    jobs_per_gpu: int
    jobs_on_cpu: int
    preload: tuple[str, ...]

    def __post_init__(self) -> None:
        for key in ("jobs_per_gpu", "jobs_on_cpu"):
            value: object = getattr(self, key)
            if not isinstance(value, int) or value < 1:
                raise UserError(f"hydra.launcher.{key}={value}: set a whole number, 1 or more")

    @classmethod
    def load(cls) -> "Settings":
        """Return what the file says."""
        file = OmegaConf.load(CONF / "hydra" / "launcher" / "gpus.yaml")
        return cls(file.jobs_per_gpu, file.jobs_on_cpu, tuple(file.preload))

    def places(self, gpus: Sequence[Gpu]) -> Places:
        """Return the places of a machine with these GPUs."""
        return Places(gpus, self.jobs_per_gpu, self.jobs_on_cpu)

    def run(self, jobs: Sequence[Job], shown: SweepProgress, environment: Mapping[str, str]) -> list[Outcome]:
        """Make runs on this machine, as an `Engine`."""
        places = self.places(visible_gpus())
        share_cores(places.count if places.gpus else min(places.count, len(jobs)))  # GPUs may have other sweeps' jobs
        slots = Slots(places, shown.started, shown.ended, shown.look, preload=self.preload, environment=environment)
        return slots.run(jobs)


def make_runs(jobs: Sequence[Job], engine: Engine, logger: DictConfig | None, finished: int = 0) -> list[Outcome]:
    """Make runs, the longest first, and show how far they are.

    Args:
        jobs: one a run.
        engine: makes them.
        logger: how the runs are logged; None if they are not.
        finished: further runs of the same sweep, made before.

    Returns:
        How each ended.
    """
    total = finished + len(jobs)
    if finished:
        print(f"{finished} of {total} runs are finished already (rerun=true makes them again)", flush=True)
    if not jobs:
        return []
    told = for_the_jobs() if "wandb" in (logger or {}) else {}
    with SweepProgress(total, finished) as shown:
        return engine.run(longest_first(jobs), shown, told)


def longest_first(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs by the time that their rows took before, the longest first.

    So the last runs of a sweep are short and no place stays empty for long. Rows that were never run come first of all,
    in the order given: they may be long.
    """
    rows = {job.result.parent: 0.0 for job in jobs}
    for folder in rows:
        seconds = [_seconds(file.read_bytes()) for file in folder.glob("seed*.json")]
        rows[folder] = max(seconds, default=float("inf"))
    return sorted(jobs, key=lambda job: -rows[job.result.parent])


def _seconds(record: bytes) -> float:
    try:
        return float(json.loads(record)["seconds"]["total"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def summary(failed: Sequence[Outcome], total: int) -> str:
    """Return one line that names each failed run and how it ended; why was said when it did."""
    runs = ", ".join(f"{end.job.name} ({str(end.failure).partition(':')[0]})" for end in failed)
    return f"{len(failed)} of {total} runs failed: {runs}; the lines above name the cause and the log of each"
