"""Which frames come when: keys (epoch, index), so that the epoch reaches the worker processes."""

from collections.abc import Iterator

import numpy as np
import torch.distributed as dist
from torch.utils.data import Sampler

Key = tuple[int, int]


def _rank_and_world() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class EpochSampler(Sampler[Key]):
    """All frames once, in an order drawn from (seed, epoch).

    Of several processes each takes every world-th frame of that order, so that together they make the batches that one
    would. A last batch that does not give each process a frame is left out of the epoch, as is one of a single frame,
    in which batch normalisation may find one value a channel.
    Lightning must not wrap it: `Trainer(use_distributed_sampler=False)`.

    Args:
        n: number of frames.
        seed: draws the orders.
        batch_size: frames of a training step, over all processes.
        epoch: of the first order. Workers read ahead before anyone calls `set_epoch`.
        divided: whether several processes divide the frames; if not, each takes all of them.
    """

    def __init__(self, n: int, seed: int, batch_size: int, epoch: int = 0, *, divided: bool = True) -> None:
        self.seed, self.epoch = seed, epoch
        self.rank, self.world = _rank_and_world() if divided else (0, 1)
        tail = n % batch_size
        fewest = max(self.world, 2 if n > batch_size else 1)
        self.n, self.used = n, n - tail if tail < fewest else n

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this before each epoch, but after it has opened the loader of the first."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(range(self.rank, self.used, self.world))

    def __iter__(self) -> Iterator[Key]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        mine = order[self.rank : self.used : self.world]
        return iter([(self.epoch, int(index)) for index in mine])


class EvalSampler(Sampler[Key]):
    """Every frame exactly once over all processes, in order: none is repeated to fill a batch.

    Args:
        n: number of frames.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.rank, self.world = _rank_and_world()

    def __len__(self) -> int:
        return len(range(self.rank, self.n, self.world))

    def __iter__(self) -> Iterator[Key]:
        return iter([(0, index) for index in range(self.rank, self.n, self.world)])
