"""A queue of jobs on the places of a machine: as many at a time as there are places."""

import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from msaseg.cli.stopping import heed
from msaseg.sweep.job import Job, send, server, start
from msaseg.sweep.locks import Lock
from msaseg.sweep.places import Place, Places

GRACE = 20.0
"""Seconds between asking a job to stop and killing it."""

LOOK = 1.0
"""Seconds between two looks at what other processes hold."""

CLAIM = "sweep.lock"
"""File in a run's folder that the sweep's job which makes the run holds."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Args:
        job: that ended.
        seconds: that it took; 0 if it was not run here.
        failure: None if its result is there, else what went wrong, in a few words.
    """

    job: Job
    seconds: float
    failure: str | None


@dataclass(frozen=True)
class Running:
    """A job that has started.

    Args:
        job: that runs.
        place: where.
        since: `time.monotonic()` of its start.
        head: bytes of its log that earlier attempts left.
    """

    job: Job
    place: Place
    since: float
    head: int


@dataclass(frozen=True)
class Forked(Running):
    """A job that runs as a process of this machine.

    Args:
        process: of it.
    """

    process: ForkServerProcess


@dataclass
class Slots:
    """Run jobs, each on a place of its own, and tell how each ended.

    A job that fails does not stop the others. One that another sweep is making is left for later, and not made at all
    once its result is there. Every job runs in a session of its own, so that it can be stopped with all that it
    started.

    Args:
        places: of this machine.
        started: called when a job starts.
        ended: called with its outcome when a job ends.
        look: called about once a second with what is running.
        preload: modules that jobs find loaded.
        environment: variables that every job gets on top of this process's.
    """

    places: Places
    started: Callable[[Running], None]
    ended: Callable[[Outcome], None]
    look: Callable[[Sequence[Running]], None] = lambda running: None
    preload: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    _running: list[Forked] = field(default_factory=list)
    _waiting: list[Job] = field(default_factory=list)
    _outcomes: list[Outcome] = field(default_factory=list)

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run the jobs, in their order as far as other sweeps allow, and return how each ended, as they end.

        Raises:
            BaseException: what a signal raised here, after every running job was stopped.
        """
        self._waiting = list(jobs)
        context = server(self.preload)
        try:
            while self._waiting or self._running:
                self._fill(context)
                busy = self._waiting or self._running
                ready = wait([running.process.sentinel for running in self._running], LOOK if busy else 0)
                for running in [running for running in self._running if running.process.sentinel in ready]:
                    self._reap(running)
                self.look(self._running)
                heed()
        except BaseException:
            self._stop()
            raise
        return self._outcomes

    def _fill(self, context: ForkServerContext) -> None:
        """Start what finds a place and is made by no other sweep."""
        for job in list(self._waiting):
            if len(self._running) >= self.places.count:
                return
            try:
                if not self._begin(context, job):
                    return
            except OSError as error:
                self._end(job, 0.0, str(error))

    def _begin(self, context: ForkServerContext, job: Job) -> bool:
        """Start a job, unless another sweep makes it or has made it; return False if there is no place for it."""
        if job.places > self.places.most:
            self._end(job, 0.0, f"it needs {job.places} GPUs or parts of the cores, of {self.places.most}")
            return True
        job.log.parent.mkdir(parents=True, exist_ok=True)
        claim = Lock.take(job.log.parent / CLAIM)
        if claim is None:
            return True
        try:
            if job.is_done:
                self._end(job, 0.0, None)
                return True
            place = self.places.take(job.places)
            if place is None:
                return False
            try:
                self._start(context, job, place, claim)
            except OSError:  # a full disk took no log of it
                self.places.give_back(place)
                raise
            finally:
                for lock in place.locks:
                    lock.release()
            return True
        finally:
            claim.release()

    def _start(self, context: ForkServerContext, job: Job, place: Place, claim: Lock) -> None:
        with job.log.open("ab") as log:
            log.write(_header(job, place).encode())
            head = log.tell()
        variables = {**os.environ, **self.environment, **place.environment, "PYTHONUNBUFFERED": "1"}
        process = start(context, job, variables, (claim, *place.locks))
        running = Forked(job, place, time.monotonic(), head, process)
        self._running.append(running)
        self._waiting.remove(job)
        with suppress(OSError):  # on a full disk it runs untold
            self.started(running)

    def _reap(self, running: Forked) -> None:
        running.process.join()
        self._running.remove(running)
        self.places.give_back(running.place)
        self._end(running.job, time.monotonic() - running.since, self._failure(running))
        running.process.close()

    def _end(self, job: Job, seconds: float, failure: str | None) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
        self._outcomes.append(Outcome(job, seconds, failure))
        self.ended(self._outcomes[-1])

    def _failure(self, running: Forked) -> str | None:
        """Return what went wrong with a job that has ended."""
        code, job = running.process.exitcode or 0, running.job
        if code < 0:
            return f"signal {-code}"
        if code > 0:
            return f"exit code {code}{last_line(job.log, running.head)}"
        if not job.is_done:
            return f"exit code 0, but no record{last_line(job.log, running.head)}"
        return None

    def _stop(self) -> None:
        for running in self._running:
            send(running.process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for running in self._running:
            running.process.join(max(0.0, deadline - time.monotonic()))
            send(running.process, signal.SIGKILL)


def _header(job: Job, place: Place) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    words = [*(f"{key}={value}" for key, value in place.environment.items()), "python -m", *job.command]
    return f"==== {now} {' '.join(words)}\n"


def last_line(log: Path, head: int) -> str:
    """Return the last line that a job, not Slurm, wrote after the log's first `head` bytes, with a colon before it."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", tail(log, head))]
    last = next((line for line in reversed(lines) if line and not line.startswith("srun: ")), "")
    return f": {last[:300]}" if last else ""


def tail(log: Path, head: int) -> str:
    """Return the last 8 KiB that a job wrote after the log's first `head` bytes, without colours; "" of a lost log."""
    try:
        with log.open("rb") as content:
            content.seek(max(head, content.seek(0, os.SEEK_END) - 8192))
            text = content.read().decode(errors="replace")
    except OSError:
        return ""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
