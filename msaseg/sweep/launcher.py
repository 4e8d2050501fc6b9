"""Hydra's launcher `gpus`: the runs of a sweep as processes, each on a free GPU or on a share of the cores."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from msaseg.cli.errors import UserError
from msaseg.sweep.gpus import Gpu, visible_gpus
from msaseg.sweep.progress import SweepProgress
from msaseg.sweep.slots import Job, Outcome, Slots, die_with_parent
from msaseg.training.wandb_mode import for_the_jobs

__all__ = ["GpuLauncher", "die_with_parent", "register", "reorder_flags"]

OF_THE_SWEEP = ("hydra.mode", "hydra/launcher", "hydra.launcher", "hydra.sweep", "hydra/sweeper")
"""Beginnings of those Hydra overrides that say how to sweep and mean nothing to a single run."""


class GpuLauncher(Launcher):
    """Run each job of a sweep as a process of its own on a free GPU.

    The visible GPUs are those of CUDA_VISIBLE_DEVICES, or all; a job sees one of them. On a machine without
    GPU the jobs share the cores. A run whose record exists starts no process. A run that fails is reported when
    it does, the others go on, and the sweep fails at its end. The output of a run goes to `console.log` in
    its folder.

    Args:
        jobs_per_gpu: how many runs share a GPU (>= 1).
        jobs_on_cpu: how many runs share a machine without GPU (>= 1); each computes with its part of the cores.
        train_module: the module that makes a run, as in `python -m`.

    Raises:
        UserError: one of these numbers is below 1.
    """

    record_of: Callable[[DictConfig], Path]

    def __init__(self, jobs_per_gpu: int = 1, jobs_on_cpu: int = 2, train_module: str = "msaseg.train") -> None:
        for key, number in (("jobs_per_gpu", jobs_per_gpu), ("jobs_on_cpu", jobs_on_cpu)):
            if number < 1:
                raise UserError(f"hydra.launcher.{key}={number}: must be 1 or more")
        self.jobs_per_gpu = jobs_per_gpu
        self.jobs_on_cpu = jobs_on_cpu
        self.train_module = train_module

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every launcher; the task function itself runs in the jobs."""
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs that have no record yet.

        Raises:
            UserError: a run failed; one line that names each.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        configs = [self._compose(list(words), initial_job_idx + number) for number, words in enumerate(job_overrides)]
        jobs = self._jobs(configs, job_overrides)
        waiting = [job for config, job in zip(configs, jobs, strict=True) if config.rerun or not job.result.exists()]
        outcomes = self._run(waiting, len(jobs))
        failed = [outcome for outcome in outcomes if outcome.failure is not None]
        if failed:
            raise UserError(summary(failed, len(jobs)))
        return [
            JobReturn(overrides=list(words), cfg=config, status=JobStatus.COMPLETED)
            for config, words in zip(configs, job_overrides, strict=True)
        ]

    def _compose(self, overrides: list[str], number: int) -> DictConfig:
        """Return a job's configuration, as the job itself will compose it."""
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        return config

    def _jobs(self, configs: Sequence[DictConfig], job_overrides: Sequence[Sequence[str]]) -> list[Job]:
        shared = [word for word in self.config.hydra.overrides.hydra if not word.lstrip("+~").startswith(OF_THE_SWEEP)]
        jobs = []
        for config, words in zip(configs, job_overrides, strict=True):
            HydraConfig.instance().set_config(config)  # for `${hydra:...}` in the folder's name
            command = (sys.executable, "-m", self.train_module, *words, *shared)
            log = Path(config.hydra.run.dir) / "console.log"
            jobs.append(Job(f"{config.row}/seed{config.seed}", command, log, self.record_of(config)))
        HydraConfig.instance().set_config(self.config)
        return _told_apart(jobs)

    def _run(self, waiting: Sequence[Job], total: int) -> list[Outcome]:
        finished = total - len(waiting)
        if finished:
            print(f"{finished} of {total} runs are finished already (rerun=true makes them again)", flush=True)
        if not waiting:
            return []
        told = for_the_jobs() if "wandb" in (self.config.get("logger") or {}) else {}
        free = slots(visible_gpus(), self.jobs_per_gpu, self.jobs_on_cpu)[: len(waiting)]
        environments = [{**environment, **told} for environment in free]
        with SweepProgress(total, finished) as progress:
            return Slots(environments, progress.started, progress.ended).run(waiting)


def slots(gpus: Sequence[Gpu], jobs_per_gpu: int, jobs_on_cpu: int) -> list[dict[str, str]]:
    """Return the environment of each slot: its GPU, and its share of the cores if there are several slots.

    Two runs on a thread each get more done on two cores than one run on two threads: start, data and small
    convolutions do not divide.
    """
    count = len(gpus) * jobs_per_gpu if gpus else jobs_on_cpu
    shared = {}
    if count > 1 and "OMP_NUM_THREADS" not in os.environ:
        shared = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))}
    if not gpus:
        return [dict(shared) for _ in range(jobs_on_cpu)]
    return [{"CUDA_VISIBLE_DEVICES": gpu.id, **shared} for _ in range(jobs_per_gpu) for gpu in gpus]


def summary(failed: Sequence[Outcome], total: int) -> str:
    """Return one line that names each failed run and how it ended; why was said when it did."""
    runs = ", ".join(f"{end.job.name} ({str(end.failure).partition(':')[0]})" for end in failed)
    return f"{len(failed)} of {total} runs failed: {runs}; the lines above name the cause and the log of each"


def register(record_of: Callable[[DictConfig], Path]) -> None:
    """Make `hydra/launcher=gpus` known to Hydra, which takes plugins of the package `hydra_plugins` alone.

    The launcher is put there by name, so that the package need not be installed beside this one.

    Args:
        record_of: where the record of a composed run is, or will be.
    """
    GpuLauncher.record_of = staticmethod(record_of)
    plugins = Plugins.instance()  # scans what is installed: before the name below can be in its way
    package = sys.modules.setdefault("hydra_plugins", ModuleType("hydra_plugins"))
    module = sys.modules.setdefault("hydra_plugins.msaseg", ModuleType("hydra_plugins.msaseg"))
    setattr(package, "msaseg", module)  # noqa: B010 - no module has a declared attribute of this name
    setattr(module, "GpuLauncher", GpuLauncher)  # noqa: B010
    GpuLauncher.__module__ = "hydra_plugins.msaseg"
    plugins.register(GpuLauncher)


def reorder_flags(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `-m` in front: Hydra takes no override after a flag that follows one.

    >>> reorder_flags(["+experiment=pooling_sweep", "-m", "seed=0"])
    ['-m', '+experiment=pooling_sweep', 'seed=0']
    """
    flags = ("-m", "--multirun")
    rest = [word for word in arguments if word not in flags]
    return ["-m", *rest] if len(rest) < len(arguments) else rest


def _told_apart(jobs: list[Job]) -> list[Job]:
    """Return the jobs with the names of the protocol and the configuration added where names repeat."""
    count = Counter(job.name for job in jobs)
    long = [f"{job.result.parent.parent.name}/{job.result.parent.name}/{job.result.stem}" for job in jobs]
    return [
        job if count[job.name] == 1 else Job(name, job.command, job.log, job.result)
        for job, name in zip(jobs, long, strict=True)
    ]
