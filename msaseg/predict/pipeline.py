"""Decode, compute and encode at once: threads before and behind the net, which never waits for either if it can."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from torch import Tensor

from msaseg.data.frames import Pixels
from msaseg.predict.predictor import MOST_SEEN, Predictor

In = TypeVar("In")
Out = TypeVar("Out")
Write = Callable[["Item", Pixels], None]
THREADS = max(1, min(8, (os.cpu_count() or 1) // 2))
"""That decode, and as many that encode."""
HELD = 1 << 25
"""Pixels of decoded images that wait, before the net and behind it: fewer large ones wait than `depth` says."""


class Item(NamedTuple):
    """One image: its name, its pixels, and the same as the net sees them."""

    name: str
    image: Pixels
    prepared: Pixels


def ahead(
    function: Callable[[In], Out],
    inputs: Iterable[In],
    threads: int,
    depth: int,
    pixels: Callable[[In], int] = lambda _: 0,
) -> Iterator[Future[Out]]:
    """Yield the results of a function in order, computed by threads up to `depth` ahead of who asks.

    Of inputs that `pixels` finds large fewer are computed ahead.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Future[Out], int]] = deque()
        try:
            for each in inputs:
                size = pixels(each)
                while waiting and (len(waiting) > depth or size + sum(held for _, held in waiting) > HELD):
                    yield waiting.popleft()[0]
                waiting.append((pool.submit(function, each), size))
            while waiting:
                yield waiting.popleft()[0]
        finally:
            for future, _ in waiting:
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

    def computed() -> Iterator[tuple[Item, Tensor]]:
        for group in _batches(items, batch):
            yield from zip(group, predictor.logits([item.prepared for item in group]), strict=True)

    def finish(found: tuple[Item, Tensor]) -> None:
        item, logits = found
        height, width = item.image.shape[:2]
        write(item, predictor.labels(logits, (height, width)))

    for written in ahead(finish, computed(), writers, batch + writers, lambda found: _pixels(found[0].image)):
        written.result()


def _batches(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """Group neighbours of one prepared size, up to `most`, fewer where they are large."""
    group: list[Item] = []
    for item in items:
        size, seen = item.prepared.shape, _pixels(item.prepared)
        held = sum(_pixels(other.image) for other in group) + _pixels(item.image)
        full = len(group) == most or (len(group) + 1) * seen > MOST_SEEN or held > HELD
        if group and (full or size != group[0].prepared.shape):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _pixels(image: Pixels) -> int:
    return int(image.shape[0] * image.shape[1])
