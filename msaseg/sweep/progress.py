"""What a sweep shows while it runs: bars in a terminal, one line a finished run elsewhere."""

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from msaseg.sweep.slots import Job, Outcome


class SweepProgress:
    """Count the runs of a sweep; use as a context. Its methods may be called from several threads.

    Args:
        total: number of runs of the sweep.
        finished: how many of them need not be made.
        console: to write to; standard output if None.
    """

    def __init__(self, total: int, finished: int = 0, console: Console | None = None) -> None:
        self.total = total
        self.ends = finished
        self.console = console or Console(soft_wrap=True, highlight=False)
        self.running: list[str] = []
        self._lock = threading.Lock()
        columns = (SpinnerColumn(), MofNCompleteColumn(), BarColumn(), TimeElapsedColumn())
        running = TextColumn("{task.fields[running]}", markup=False)
        self._bar = Progress(*columns, running, console=self.console, disable=not self.console.is_terminal)
        self._task = self._bar.add_task("runs", total=total, completed=finished, running="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def started(self, job: Job) -> None:
        """Show a run as running."""
        with self._lock:
            self.running.append(job.name)
            self._update()

    def ended(self, outcome: Outcome) -> None:
        """Print how a run ended and count it."""
        with self._lock:
            self.running.remove(outcome.job.name)
            self.ends += 1
            self._update()
            count, name = f"[{self.ends}/{self.total}]", outcome.job.name
            if outcome.failure is None:
                line, style = f"{count} {name} done in {outcome.seconds:.0f} s", ""
            else:
                line = f"{count} {name} FAILED after {outcome.seconds:.0f} s: {failure(outcome)}"
                style = "bold red"
            self.console.print(escape(line), style=style, soft_wrap=True, highlight=False)

    def _update(self) -> None:
        self._bar.update(self._task, completed=self.ends, running=", ".join(self.running))


def failure(outcome: Outcome) -> str:
    """Return what went wrong with a run and where its output is."""
    return f"{outcome.failure}; log: {outcome.job.log}"
