"""A queue of processes on a few slots: each slot runs one at a time, with its own environment."""

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

PARENT = "MSASEG_PARENT"
"""Environment variable by which a job knows the process that it must not outlive."""

GRACE = 20.0
"""Seconds between asking a job to stop and killing it."""


@dataclass(frozen=True)
class Job:
    """One process to run.

    Args:
        name: what progress and failures call it.
        command: program and arguments.
        log: file that takes its output, after what earlier attempts left there.
        result: file whose appearance, or replacement, says that the job did its work.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    result: Path


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Args:
        job: that ended.
        seconds: that it took.
        failure: None if its result is there, else what went wrong, in a few words.
    """

    job: Job
    seconds: float
    failure: str | None


@dataclass
class Slots:
    """Run jobs, as many at a time as there are slots.

    A job that fails does not stop the others. Every job runs in a session of its own, so that it can be
    stopped with all that it started.

    Args:
        environments: one a slot: variables that its jobs get on top of this process's.
        started: called with a job when it starts, from the slot's thread.
        ended: called with its outcome when it ends, from the slot's thread.
    """

    environments: Sequence[Mapping[str, str]]
    started: Callable[[Job], None]
    ended: Callable[[Outcome], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: set["subprocess.Popen[bytes]"] = field(default_factory=set)
    _stopped: bool = False

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run the jobs and return how each ended, in the order of their ends.

        Raises:
            BaseException: what a signal raised here, after every running job was stopped.
        """
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        outcomes: list[Outcome] = []
        for job in jobs:
            waiting.put(job)
        threads = [
            threading.Thread(target=self._work, args=(waiting, environment, outcomes), daemon=True)
            for environment in self.environments
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(timeout=0.2)  # short, so that Ctrl-C is heard
        except BaseException:
            self._stop()
            raise
        ran = {outcome.job for outcome in outcomes}
        return outcomes + [Outcome(job, 0.0, "not run") for job in jobs if job not in ran]

    def _work(self, waiting: "queue.SimpleQueue[Job]", environment: Mapping[str, str], outcomes: list[Outcome]) -> None:
        while not self._stopped:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            self.started(job)
            start = time.monotonic()
            try:
                failure = self._failure(job, environment)
            except OSError as error:
                failure = str(error)
            outcome = Outcome(job, time.monotonic() - start, failure)
            outcomes.append(outcome)
            self.ended(outcome)

    def _failure(self, job: Job, environment: Mapping[str, str]) -> str | None:
        """Run one job to its end; return what went wrong."""
        before = _stamp(job.result)
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            log.write(_header(job, environment).encode())
            log.flush()
            head = log.tell()
            process = self._start(job, environment, log.fileno())
            if process is None:
                return "not started"
            code = process.wait()
            with self._lock:
                self._running.discard(process)
        if code < 0:
            return f"signal {-code}"
        if code > 0:
            return f"exit code {code}{_last_line(job.log, head)}"
        return (
            None
            if _stamp(job.result) not in (None, before)
            else f"exit code 0, but no record{_last_line(job.log, head)}"
        )

    def _start(self, job: Job, environment: Mapping[str, str], log: int) -> "subprocess.Popen[bytes] | None":
        variables = {**os.environ, **environment, PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        with self._lock:  # so that no job starts after `_stop` has looked
            if self._stopped:
                return None
            process = subprocess.Popen(
                job.command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        for process in running:
            try:
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)


def die_with_parent() -> None:
    """End this process soon after the one that started it as a job is gone, killed ones included.

    Does nothing in a process that is no job. What a job starts is no job of the same parent.
    """
    parent = os.environ.pop(PARENT, "")
    if not parent.isdigit():
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(0.5)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _header(job: Job, environment: Mapping[str, str]) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    words = [*(f"{key}={value}" for key, value in environment.items()), *job.command]
    return f"==== {now} {' '.join(words)}\n"


def _last_line(log: Path, head: int) -> str:
    """Return the last line that a job wrote after the log's first `head` bytes, with a colon before it."""
    with log.open("rb") as content:
        content.seek(max(head, content.seek(0, os.SEEK_END) - 8192))
        text = content.read().decode(errors="replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))]
    last = next((line for line in reversed(lines) if line), "")
    return f": {last[:300]}" if last else ""
