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

    Of several processes each takes every world-th frame of that order; a tail that does not give each one a
    frame is left out of the epoch. Lightning must not wrap it: `Trainer(use_distributed_sampler=False)`.

    Args:
        n: number of frames.
        seed: draws the orders.
        epoch: of the first order. Workers read ahead before anyone calls `set_epoch`.
    """

    def __init__(self, n: int, seed: int, epoch: int = 0) -> None:
        self.n, self.seed, self.epoch = n, seed, epoch
        self.rank, self.world = _rank_and_world()

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this before each epoch, but after it has opened the loader of the first."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n // self.world

    def __iter__(self) -> Iterator[Key]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        mine = order[: len(self) * self.world][self.rank :: self.world]
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
