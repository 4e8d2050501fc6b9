"""Locks that end with the process that holds them: on a run that is being made, on a GPU of this machine."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import reduction
from pathlib import Path
from typing import Any

from msaseg.cli.errors import UserError
from msaseg.sweep.gpus import Gpu


@dataclass(frozen=True)
class Lock:
    """A file that this process holds alone, or with others that share it.

    Handed to a process that `multiprocessing` starts it is held by both, and free when both are gone: the kernel
    sees to it, whatever ends them.

    Args:
        descriptor: of the open file.
    """

    descriptor: int

    @classmethod
    def take(cls, path: Path, shared: bool = False) -> "Lock | None":
        """Return the lock on a file, made where it is missing, or None while another process holds it.

        Args:
            path: of the file; its folder must exist.
            shared: hold it together with others that share it.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_NB | (fcntl.LOCK_SH if shared else fcntl.LOCK_EX))
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def release(self) -> None:
        """Let go of it here; a process that it was handed to keeps it."""
        os.close(self.descriptor)

    def __reduce__(self) -> tuple[Callable[..., "Lock"], tuple[object]]:
        return _handed_over, (reduction.DupFd(self.descriptor),)


def _handed_over(descriptor: Any) -> Lock:  # noqa: ANN401 - of a type that `multiprocessing` does not name
    return Lock(descriptor.detach())


def lease(gpu: Gpu, jobs_per_gpu: int = 1) -> tuple[Lock, ...] | None:
    """Return the locks of one run's part of a GPU, or None while other runs of this user leave none.

    Args:
        gpu: of this machine.
        jobs_per_gpu: how many runs may share it. With 1 the GPU is this run's alone, whatever others ask for.

    Raises:
        UserError: the machine's folder of locks belongs to somebody else.
    """
    folder = _folder()
    whole = Lock.take(folder / f"{gpu.uuid}.lock", shared=jobs_per_gpu > 1)
    if whole is None:
        return None
    if jobs_per_gpu == 1:
        return (whole,)
    for number in range(jobs_per_gpu):
        part = Lock.take(folder / f"{gpu.uuid}.{number}.lock")
        if part is not None:
            return whole, part
    whole.release()
    return None


def lease_any(gpus: Sequence[Gpu], count: int, jobs_per_gpu: int) -> tuple[tuple[Gpu, ...], tuple[Lock, ...]] | None:
    """Return `count` different GPUs and the locks of one run's part of each, or None while so many are not free."""
    chosen: list[Gpu] = []
    locks: list[Lock] = []
    for gpu in gpus:
        if len(chosen) == count:
            break
        taken = lease(gpu, jobs_per_gpu)
        if taken is not None:
            chosen.append(gpu)
            locks += taken
    if len(chosen) == count:
        return tuple(chosen), tuple(locks)
    for lock in locks:
        lock.release()
    return None


def _folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"msaseg-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder}: it belongs to another user: remove it, or set TMPDIR to a folder of your own")
    return folder
