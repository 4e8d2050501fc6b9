"""What a sweep shows while it runs: bars in a terminal, a line a change elsewhere."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress

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

from msaseg.sweep.slots import Outcome, Running, tail

EPOCH = re.compile(r"\b(epoch \d+/\d+)(?:[^\r\n]* · ([^\r\n·]+ left))?")
"""How a run's output tells the epochs that are done, and the time left (`msaseg.training.progress`)."""

QUIET = 600.0
"""Seconds after which a sweep that is not at a terminal says again what runs."""

SOON = 10.0
"""Seconds after which it says for the first time that it waits."""

WAITING = "waiting for a free place, or for another sweep that makes what is left"


class SweepProgress(Progress):
    """Count the runs of a sweep and tell where each is; use as a context.

    Args:
        total: number of runs of the sweep.
        finished: how many of them need not be made.
        console: to write to; standard output if None.
    """

    def __init__(self, total: int, finished: int = 0, console: Console | None = None) -> None:
        self.total = total
        self.ends = finished
        console = console or Console(soft_wrap=True, highlight=False)
        self.running: list[Running] = []
        self._waits = False
        self._looked = self._said = time.monotonic()
        columns = (SpinnerColumn(), MofNCompleteColumn(), BarColumn(), TimeElapsedColumn())
        running = TextColumn("{task.fields[running]}", markup=False)
        super().__init__(*columns, running, console=console, disable=not console.is_terminal)
        self._bar = self.add_task("runs", total=total, completed=finished, running="")

    def started(self, running: Running) -> None:
        """Show a run as running."""
        self.running.append(running)
        self._say(f"{running.job.name} starts on {running.place.name}")

    def returned(self, running: Running) -> None:
        """Show a run as waiting again."""
        self.running.remove(running)
        self._say(f"{running.job.name} is back in the queue")

    def ended(self, outcome: Outcome) -> None:
        """Print how a run ended, count it, and tell what still runs."""
        self.running = [running for running in self.running if running.job != outcome.job]
        self.ends += 1
        count, name = f"[{self.ends}/{self.total}]", outcome.job.name
        if outcome.failure is None:
            how = f"done in {outcome.seconds:.0f} s" if outcome.seconds else "made by another sweep"
            self._say(f"{count} {name} {how}{self._rest()}")
        else:
            why = f"{outcome.failure}; log: {outcome.job.log}"
            self._say(f"{count} {name} FAILED after {outcome.seconds:.0f} s: {why}", "bold red")

    def look(self, running: Sequence[Running]) -> None:
        """Bring the terminal's line up to date; elsewhere say what runs if nothing was said for long."""
        now = time.monotonic()
        if self.console.is_terminal and now - self._looked > 2:
            self._looked = now
            self.update(self._bar, completed=self.ends, running=", ".join(map(where, running)) or WAITING)
        elif not self.console.is_terminal and now - self._said > (QUIET if running or self._waits else SOON):
            self._waits = not running
            self._say(f"[{self.ends}/{self.total}]{self._rest() or f'; {WAITING}'}")

    def _rest(self) -> str:
        return f"; running: {', '.join(map(where, self.running))}" if self.running else ""

    def _say(self, line: str, style: str = "") -> None:
        self._said = time.monotonic()
        self.update(self._bar, completed=self.ends)
        with suppress(OSError):  # on a full disk the sweep goes on untold
            self.console.print(escape(line), style=style, soft_wrap=True, highlight=False)


def where(running: Running) -> str:
    """Return which run is where, in which epoch, for how long: "pool3/seed0 (GPU 1, epoch 4/6, 12 s left)"."""
    told = EPOCH.findall(tail(running.job.log, running.head))
    words = [running.place.name, *(word for word in told[-1] if word)] if told else [running.place.name]
    return f"{running.job.name} ({', '.join(words)})"
