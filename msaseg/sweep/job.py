"""One run of a sweep as a process, forked from a server that has loaded the heavy modules already."""

import atexit
import gc
import io
import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from msaseg.records.places import filed_elsewhere
from msaseg.sweep.locks import Lock

ATTEMPTS = 20
"""How often a job is started, a tenth of a second apart, while the server does not answer."""


@dataclass(frozen=True)
class Job:
    """One process to run.

    Args:
        name: what progress and failures call it.
        command: module and arguments, as after `python -m`.
        log: file that takes its output, after what earlier attempts left there.
        result: file whose appearance, or replacement, says that the job did its work.
        places: GPUs that it takes, or as many parts of the cores on a machine without one.
        before: `stamp` of the result when the job was found to be missing; None if there was none.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    result: Path
    places: int = 1
    before: tuple[int, int] | None = None

    @property
    def is_done(self) -> bool:
        """Whether its result is there, and is not the one from before.

        A sweep of another table may have made the run meanwhile: then it is filed under that table and row.
        """
        if self.before is None and filed_elsewhere(self.result):
            return True
        return stamp(self.result) not in (None, self.before)


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def server(preload: Sequence[str] = ()) -> ForkServerContext:
    """Return the server that jobs are forked from; it starts with the first job, in this process's environment.

    Args:
        preload: modules that it imports first. None may initialise CUDA: what is forked could not use it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def start(
    context: ForkServerContext, job: Job, environment: Mapping[str, str], locks: Sequence[Lock]
) -> ForkServerProcess:
    """Start a job in a session of its own; it holds the locks and ends soon after this process, killed or not."""
    for attempt in range(ATTEMPTS):
        process = context.Process(target=_run, args=(job, dict(environment), list(locks)), name=job.name)
        try:
            process.start()
            break
        except ConnectionError:  # the server was killed this moment; the next attempt starts another
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.1)
    return process


def _run(job: Job, environment: Mapping[str, str], _locks: Sequence[Lock]) -> None:
    gc.freeze()  # what the server has loaded stays: collecting garbage need not look at it
    os.setsid()
    _die_with_the_sweep()
    log = os.open(job.log, os.O_WRONLY | os.O_APPEND)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(log, descriptor)
    os.close(log)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(_Log(number, "wb", closefd=False), "utf-8", "backslashreplace") for number in (1, 2)
    )
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)
    os.environ.clear()
    os.environ.update(environment)
    module, *sys.argv[1:] = job.command
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # as at the end of any program: `multiprocessing` leaves it out


class _Log(io.FileIO):
    """A log of which a full disk takes no more: the rest is lost, and stops nothing."""

    def write(self, content: bytes) -> int:  # type: ignore[override]
        try:
            return super().write(content)
        except OSError:
            return len(content)


def _die_with_the_sweep() -> None:
    """End this process when the sweep, or the server that could tell the sweep of its end, is gone."""
    server, sweep = os.getppid(), multiprocessing.parent_process()
    assert sweep is not None

    def watch() -> None:
        while os.getppid() == server and sweep.is_alive():
            sweep.join(timeout=0.5)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="die-with-the-sweep", daemon=True).start()


def send(process: ForkServerProcess, number: signal.Signals) -> None:
    """Send a signal to a job and all that it started."""
    if process.exitcode is not None or process.pid is None:
        return
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:  # it has no session of its own yet
        os.kill(process.pid, number)
