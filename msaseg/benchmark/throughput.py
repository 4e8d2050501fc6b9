"""Images a second at the best batch: powers of two, until it stops improving or memory ends."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from msaseg.benchmark.memory import out_of_memory
from msaseg.benchmark.timing import Procedure, Step, Stopwatch, Turns, summary, take_turns

GAIN = 1.02
"""A batch must be so many times better than the best before it."""
ENDS = ("no gain", "memory", "most")
"""Why the search of a net ends when nothing is wrong with it."""


@dataclass
class Throughput:
    """What one net reached.

    Args:
        images_per_s: batch to the summary over the turns' calls.
        stopped: why no larger batch was tried: one of `ENDS` ("most" is the largest allowed), or an error.
            None while the search goes on.
    """

    images_per_s: dict[int, dict[str, float]]
    stopped: str | None = None

    @property
    def batch(self) -> int:
        """The best batch."""
        return max(self.images_per_s, key=lambda batch: self.images_per_s[batch]["median"])

    @property
    def best(self) -> dict[str, float]:
        """Images a second at the best batch."""
        return self.images_per_s[self.batch]


def find_best_batches(
    seconds: Turns,
    make_step: Callable[[str, int], Step],
    stopwatch: Stopwatch,
    procedure: Procedure,
    most: int,
    release: Callable[[], None],
) -> dict[str, Throughput]:
    """Time batches of 2, 4, 8, ... of all nets in turns, each net until it stops.

    Args:
        seconds: label to the turns of batch 1.
        make_step: label and batch to the step.
        stopwatch: times a step.
        procedure: the same as for batch 1.
        most: the largest batch.
        release: called when a batch is done, to free its memory.
    """
    found = {label: Throughput({1: _rates(turns, 1)}) for label, turns in seconds.items()}
    going, batch = list(found), 2
    while going and batch <= most:
        steps: dict[str, Step] = {}
        failures: dict[str, Exception] = {}
        for label in going:
            try:
                steps[label] = make_step(label, batch)
            except Exception as error:  # as in `take_turns`
                failures[label] = error
        turns, failed = take_turns(steps, stopwatch, procedure)
        failures |= failed
        steps.clear()
        release()
        for label in going:
            _judge(found[label], batch, turns.get(label, []), failures.get(label))
        going = [label for label in going if found[label].stopped is None]
        batch *= 2
    for label in going:
        found[label].stopped = "most"
    return found


def in_one_line(error: BaseException, length: int = 240) -> str:
    """Return what an error says, on one line and not too long.

    >>> in_one_line(ValueError("no  such mode"))
    'no such mode'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= length else f"{text[:length]}..."


def _judge(net: Throughput, batch: int, turns: list[list[float]], failure: Exception | None) -> None:
    """Note what a net reached with a batch, and whether it stops there."""
    if failure is not None:
        net.stopped = "memory" if out_of_memory(failure) else in_one_line(failure)
        return
    before = net.best["median"]
    net.images_per_s[batch] = _rates(turns, batch)
    if net.images_per_s[batch]["median"] < GAIN * before:
        net.stopped = "no gain"


def _rates(turns: list[list[float]], batch: int) -> dict[str, float]:
    return summary(list(batch / np.concatenate(turns)))
