"""Where the runs of a sweep compute: on GPUs that no other run has, or on parts of the cores."""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from msaseg.cli.errors import UserError
from msaseg.config import CORES
from msaseg.sweep.gpus import Gpu
from msaseg.sweep.locks import Lock, lease_any

log = logging.getLogger(__name__)

LEASED = "MSASEG_LEASED"
"""Environment variable that names the GPUs which this process, or the one that started it, holds."""


@dataclass(frozen=True)
class Place:
    """What one running job computes on.

    Args:
        name: for people.
        size: how many GPUs, or parts of the cores.
        environment: variables that the job gets.
        locks: that it holds.
        gpus: of the place; none on the cores.
    """

    name: str
    size: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    locks: tuple[Lock, ...] = ()
    gpus: tuple[Gpu, ...] = ()


@dataclass
class Places:
    """The places of this machine, taken and given back one by one.

    GPUs are leased: no other sweep and no single run of this user gets one that is taken, unless both let several
    runs share it. Cores are this sweep's alone to count.

    Args:
        gpus: that this process may use; none means that the cores are shared.
        jobs_per_gpu: how many runs may share a GPU.
        jobs_on_cpu: how many runs share the cores.
    """

    gpus: Sequence[Gpu]
    jobs_per_gpu: int = 1
    jobs_on_cpu: int = 2
    taken: list[Place] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many jobs of one place can run at a time."""
        return len(self.gpus) * self.jobs_per_gpu if self.gpus else self.jobs_on_cpu

    @property
    def most(self) -> int:
        """How many places one job can have."""
        return len(self.gpus) or self.jobs_on_cpu

    def take(self, size: int = 1) -> Place | None:
        """Return a place for a job of this size, or None while there is none."""
        place = self._on_gpus(size) if self.gpus else self._on_cores(size)
        if place is not None:
            self.taken.append(place)
        return place

    def give_back(self, place: Place) -> None:
        """Let another job have a place; call it when the job has ended."""
        self.taken.remove(place)

    def _on_gpus(self, size: int) -> Place | None:
        load = Counter(gpu.id for place in self.taken for gpu in place.gpus)
        leased = lease_any(sorted(self.gpus, key=lambda gpu: load[gpu.id]), size, self.jobs_per_gpu)
        if leased is None:
            return None
        gpus, locks = leased
        ids = ",".join(gpu.id for gpu in gpus)
        return Place(f"GPU {ids}", size, {"CUDA_VISIBLE_DEVICES": ids, LEASED: ids}, locks, gpus)

    def _on_cores(self, size: int) -> Place | None:
        free = self.jobs_on_cpu - sum(place.size for place in self.taken)
        return Place("the CPU", size) if size <= free else None


@contextmanager
def own_gpus(gpus: Sequence[Gpu], size: int = 1) -> Iterator[None]:
    """Have this process see free GPUs alone, which it holds meanwhile; while there are none, wait.

    Does nothing without GPUs, and in a process that was started on leased ones: a job of a sweep, a rank of a run.

    Args:
        gpus: to choose from.
        size: how many.

    Raises:
        UserError: there are fewer.
    """
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not gpus or (seen is not None and seen == os.environ.get(LEASED)):
        yield
        return
    places = Places(gpus, 1)
    if size > places.most:
        raise UserError(f"trainer.devices={size}: this process sees {places.most} GPUs")
    place = places.take(size)
    if place is None:
        log.info(
            "waiting for a GPU: other runs have them all (with -m, hydra.launcher.jobs_per_gpu=2 lets two share one)"
        )
    while place is None:
        time.sleep(1)
        place = places.take(size)
    os.environ.update(place.environment)
    try:
        yield
    finally:
        for lock in place.locks:
            lock.release()


def share_cores(count: int) -> None:
    """Have each of `count` jobs, which inherit this process's environment, compute and read with its part of the cores.

    Two runs on a thread each get more done on two cores than one run on two threads: start, data and small
    convolutions do not divide.
    """
    if count > 1:
        os.environ[CORES] = str(max(1, (os.cpu_count() or 1) // count))
        os.environ.setdefault("OMP_NUM_THREADS", os.environ[CORES])
