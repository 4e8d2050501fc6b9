"""The procedure: all nets are warmed up, then timed in turns, A B C A B C, each one alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

Step = Callable[[], object]
"""One call of a net, with what is timed beside it."""
Stopwatch = Callable[[Step], float]
"""Runs a step and returns its seconds."""


@dataclass(frozen=True)
class Procedure:
    """What is done with every net alike.

    Args:
        warmup: calls before anything is timed.
        repeats: turns.
        calls: timed in each turn, after one that is not: the net before it has emptied the caches.
    """

    warmup: int
    repeats: int
    calls: int


Turns = dict[str, list[list[float]]]
"""Label to the seconds of the timed calls of each turn."""


def take_turns(
    steps: Mapping[str, Step], stopwatch: Stopwatch, procedure: Procedure
) -> tuple[Turns, dict[str, Exception]]:
    """Warm every net up, then time all of them in turns, so that a slower or busier machine hits all alike.

    Returns:
        The seconds, and what nets raised that failed; they have no seconds and were left out from then on.
    """
    seconds: Turns = {label: [] for label in steps}
    failures: dict[str, Exception] = {}
    for repeat in range(-1, procedure.repeats):
        for label, step in steps.items():
            if label in failures:
                continue
            try:
                if repeat < 0:
                    for _ in range(procedure.warmup):
                        stopwatch(step)
                else:
                    stopwatch(step)
                    seconds[label].append([stopwatch(step) for _ in range(procedure.calls)])
            except Exception as error:  # whatever a net, a compiler or a driver raises ends this net alone
                failures[label] = error
                del seconds[label]
    return seconds, failures


def cpu_stopwatch(step: Step) -> float:
    """Time a step by the system's clock."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def gpu_stopwatch(step: Step) -> float:
    """Time a step by CUDA events on an idle GPU, from before its first kernel is launched until the last ended."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    step()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000


def stopwatch(device: torch.device) -> Stopwatch:
    """Return the stopwatch of a device."""
    return gpu_stopwatch if device.type == "cuda" else cpu_stopwatch


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the range of 90 % of the values, with least, most and their number.

    >>> summary([1.0, 2.0, 3.0])
    {'median': 2.0, 'p5': 1.1, 'p95': 2.9, 'min': 1.0, 'max': 3.0, 'n': 3}
    """
    low, middle, high = np.percentile(values, (5, 50, 95))
    numbers = {"median": middle, "p5": low, "p95": high, "min": min(values), "max": max(values)}
    return {name: float(f"{value:.5g}") for name, value in numbers.items()} | {"n": len(values)}


def ratios(reference: Sequence[Sequence[float]], turns: Sequence[Sequence[float]]) -> list[float]:
    """Return how many times as fast as the reference a net was in each turn.

    >>> ratios([[2.0, 2.0, 9.0], [4.0]], [[1.0], [8.0]])
    [2.0, 0.5]
    """
    return [float(np.median(a) / np.median(b)) for a, b in zip(reference, turns, strict=True)]
