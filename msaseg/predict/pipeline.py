"""Decode, compute and encode at once: threads before and behind the net, which never waits for either if it can."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from torch import Tensor

from msaseg.data.frames import Pixels
from msaseg.predict.predictor import Predictor

In = TypeVar("In")
Out = TypeVar("Out")
Write = Callable[["Item", Pixels], None]
THREADS = max(1, min(8, (os.cpu_count() or 1) // 2))
"""That decode, and as many that encode."""


class Item(NamedTuple):
    """One image: its name, its pixels, and the same as the net sees them."""

    name: str
    image: Pixels
    prepared: Pixels


def ahead(function: Callable[[In], Out], inputs: Iterable[In], threads: int, depth: int) -> Iterator[Future[Out]]:
    """Yield the results of a function in order, computed by threads up to `depth` ahead of who asks."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Out]] = deque()
        try:
            for each in inputs:
                waiting.append(pool.submit(function, each))
                if len(waiting) > depth:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for future in waiting:
                future.cancel()


def predict_all(items: Iterable[Item], predictor: Predictor, batch: int, write: Write, writers: int = THREADS) -> None:
    """Predict items and write each from a thread, which also brings its classes to the image's own size.

    Neighbours whose prepared images have one size share a batch. At most a few batches are in memory.

    Args:
        items: read ahead by `ahead`.
        predictor: the net.
        batch: images that it computes at once, at most.
        write: gets an item and its classes; with one writer in the order of the items.
        writers: threads that write.
    """

    def finish(item: Item, logits: Tensor) -> None:
        height, width = item.image.shape[:2]
        write(item, predictor.labels(logits, (height, width)))

    with ThreadPoolExecutor(writers) as pool:
        waiting: deque[Future[None]] = deque()
        try:
            for group in _batches(items, batch):
                logits = predictor.logits([item.prepared for item in group])
                waiting.extend(pool.submit(finish, *pair) for pair in zip(group, logits, strict=True))
                while len(waiting) > batch + writers:
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    group: list[Item] = []
    for item in items:
        if group and (len(group) == most or item.prepared.shape != group[0].prepared.shape):
            yield group
            group = []
        group.append(item)
    if group:
        yield group
