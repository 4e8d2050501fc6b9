"""Hydra's launchers `gpus`, `slurm` and `ray`, and their sweeper: a sweep as processes, here or in a cluster."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.plugins.plugin import Plugin
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from msaseg.cli.errors import UserError
from msaseg.records.run import RunKey
from msaseg.sweep.compose import compose_job
from msaseg.sweep.job import Job, stamp
from msaseg.sweep.ray import Ray
from msaseg.sweep.runs import Engine, Settings, make_runs, summary
from msaseg.sweep.slurm import Slurm

OF_THE_SWEEP = ("hydra.mode", "hydra/launcher", "hydra.launcher", "hydra.sweep", "hydra/sweeper")
"""Beginnings of those Hydra overrides that say how to sweep and mean nothing to a single run."""


class GpuLauncher(Launcher):
    """Run each job of a sweep as a process of its own on a free GPU.

    The visible GPUs are those of CUDA_VISIBLE_DEVICES, or all; a job sees its own alone. On a machine without
    GPU the jobs share the cores. A run whose record exists starts no process. A run that fails is reported when
    it does, the others go on, and the sweep fails at its end. The output of a run goes to `console.log` in
    its folder.

    Args:
        jobs_per_gpu: as in `Settings`.
        jobs_on_cpu: likewise.
        preload: likewise.
        train_module: the module that makes a run, as in `python -m`.

    Raises:
        UserError: a number is below 1.
    """

    paths: Callable[[DictConfig], Callable[[RunKey], Path]]

    def __init__(
        self, jobs_per_gpu: int, jobs_on_cpu: int, preload: Sequence[str], train_module: str = "msaseg.train"
    ) -> None:
        self.engine: Engine = Settings(jobs_per_gpu, jobs_on_cpu, tuple(preload))
        self.train_module = train_module

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to every launcher; the task function itself runs in the jobs."""
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs that have no record yet.

        Raises:
            UserError: a run failed, one line that names each; or CamVid is to be read here and is not there.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        jobs = self._missing(job_overrides)
        finished = len(job_overrides) - len(jobs)
        outcomes = make_runs(jobs, self.engine, self.config.get("logger"), finished)
        failed = [outcome for outcome in outcomes if outcome.failure is not None]
        if failed:
            raise UserError(summary(failed, len(job_overrides)))
        return [JobReturn(overrides=list(words), status=JobStatus.COMPLETED) for words in job_overrides]

    def _missing(self, job_overrides: Sequence[Sequence[str]]) -> list[Job]:
        """Return the runs that have no record, in order. Runs that differ in their seeds alone are composed once."""
        base = self.config.copy()
        shared, folder = set(self.config.hydra.overrides.task), str(base.hydra.run._get_node("dir")._value())
        kinds: dict[tuple[str, ...], list[int]] = {}
        for number, words in enumerate(job_overrides):
            kinds.setdefault(tuple(word for word in words if not word.startswith("seed=")), []).append(number)
        jobs: dict[int, Job] = {}
        paths: dict[str, Callable[[RunKey], Path]] = {}
        for numbers in kinds.values():
            config = compose_job(base, job_overrides[numbers[0]], shared, self._parse, self._whole)
            first = RunKey.of(config)
            if first.protocol not in paths:
                paths[first.protocol] = self.paths(config)
            apart = False
            for position, number in enumerate(numbers):
                words = job_overrides[number]
                for seed in self._parse([word for word in words if word.startswith("seed=")]):
                    config.seed = seed.value()
                key = replace(first, row=str(config.row), seed=config.seed)
                if apart or position == 1:  # a value may depend on the seed
                    key = RunKey.of(config)
                    apart = key.config_hash != first.config_hash
                record = paths[first.protocol](key)
                before = stamp(record)
                if config.rerun or before is None:
                    OmegaConf.set_readonly(config.hydra, False)
                    config.hydra.run.dir = folder.replace("${config_hash:}", key.config_hash)
                    jobs[number] = self._job(config, key, words, record, before)
        return _told_apart([jobs[number] for number in sorted(jobs)])

    def _parse(self, words: list[str]) -> list[Override]:
        return OverridesParser.create(self.context.config_loader).parse_overrides(words)

    def _whole(self, words: list[str]) -> DictConfig:
        return self.context.config_loader.load_sweep_config(self.config, words)

    def _job(
        self, config: DictConfig, key: RunKey, words: Sequence[str], record: Path, before: tuple[int, int] | None
    ) -> Job:
        shared = [word for word in self.config.hydra.overrides.hydra if not word.lstrip("+~").startswith(OF_THE_SWEEP)]
        HydraConfig.instance().set_config(config)  # for `${hydra:...}` in the folder's name
        if isinstance(self.engine, Settings) and not config.get("compute"):
            _look_for_frames(OmegaConf.select(config, "data.source.root"))
        log = Path(config.hydra.run.dir) / "console.log"
        devices = config.trainer.devices
        return Job(
            f"{key.row}/seed{key.seed}",
            (self.train_module, *words, *shared),
            log,
            record,
            places=devices if isinstance(devices, int) and devices > 0 else 1,
            before=before,
        )


class SlurmLauncher(GpuLauncher):
    """Have Slurm make the runs of a sweep that have no record.

    Args:
        train_module: as in `GpuLauncher`.
        settings: as in `Slurm`.
    """

    made_of: ClassVar[Callable[..., Engine]] = Slurm.of

    def __init__(self, train_module: str = "msaseg.train", **settings: Any) -> None:  # noqa: ANN401 - of several types
        self.engine = self.made_of(**settings)
        self.train_module = train_module


class RayLauncher(SlurmLauncher):
    """Have Ray make the runs of a sweep that have no record; the settings are those of `Ray`."""

    made_of = Ray


def register(paths: Callable[[DictConfig], Callable[[RunKey], Path]]) -> None:
    """Make launcher and sweeper known to Hydra, which takes plugins of the package `hydra_plugins` alone.

    They are put there by name, so that the package need not be installed beside this one.

    Args:
        paths: called with the configuration of any run of a sweep, returns what tells where the record of each is,
            or will be.
    """
    GpuLauncher.paths = staticmethod(paths)
    plugins = Plugins.instance()  # scans what is installed: before the name below can be in its way
    package = sys.modules.setdefault("hydra_plugins", ModuleType("hydra_plugins"))
    module = sys.modules.setdefault("hydra_plugins.msaseg", ModuleType("hydra_plugins.msaseg"))
    setattr(package, "msaseg", module)  # noqa: B010 - no module has a declared attribute of this name
    for plugin in (GpuLauncher, SlurmLauncher, RayLauncher, _sweeper()):
        setattr(module, plugin.__name__, plugin)
        plugin.__module__, plugin.__qualname__ = "hydra_plugins.msaseg", plugin.__name__
        plugins.register(plugin)


def _sweeper() -> type[Plugin]:
    """Return Hydra's basic sweeper, which checks every job for launchers alone that leave jobs to other machines."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # the scan for plugins has loaded it anew

    class Sweeper(BasicSweeper):
        def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
            if not isinstance(self.launcher, GpuLauncher):
                super().validate_batch_is_legal(batch)

    return Sweeper


def reorder_flags(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `-m` in front: Hydra takes no override after a flag that follows one.

    >>> reorder_flags(["+experiment=pooling_sweep", "-m", "seed=0"])
    ['-m', '+experiment=pooling_sweep', 'seed=0']
    >>> reorder_flags(["seed=0", "--multirun"]), reorder_flags(["seed=0", "--cfg", "job"])
    (['-m', 'seed=0'], ['seed=0', '--cfg', 'job'])
    """
    flags = ("-m", "--multirun")
    rest = [word for word in arguments if word not in flags]
    return ["-m", *rest] if len(rest) < len(arguments) else rest


@cache
def _look_for_frames(root: str | None) -> None:
    """Have a sweep end at once, not run by run, where the frames are missing."""
    from msaseg.data.camvid import list_frames  # loads NumPy

    if root is not None:
        list_frames(Path(root))


def _told_apart(jobs: list[Job]) -> list[Job]:
    """Return the jobs with the names of the protocol and the configuration added where names repeat."""
    count = Counter(job.name for job in jobs)
    long = [f"{job.result.parent.parent.name}/{job.result.parent.name}/{job.result.stem}" for job in jobs]
    return [job if count[job.name] == 1 else replace(job, name=name) for job, name in zip(jobs, long, strict=True)]
