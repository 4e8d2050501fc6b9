"""Which frames train, which select, which test: the splits of the suite."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from msaseg.cli.errors import UserError
from msaseg.data.camvid import COUNTS


@dataclass(frozen=True)
class Splits:
    """Frame ids ("train/0001TP_006690") of each split; the folder in an id is the official one.

    Raises:
        ValueError: a frame is in two splits, or twice in one.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        frames = self.train + self.val + self.test
        if len(set(frames)) != len(frames):
            raise ValueError("a frame is in two splits, or twice in one")

    def digest(self) -> str:
        """A sha256 over the three lists, each sorted: the same for the same frames in each split."""
        splits = (("train", self.train), ("val", self.val), ("test", self.test))
        lines = [f"{split}: {' '.join(sorted(ids))}" for split, ids in splits]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class SplitRule(Protocol):
    """Divides frames into train, val and test."""

    def __call__(self, frames: Sequence[str]) -> Splits:
        """Divide the ids of all frames."""


def _folder(frames: Sequence[str], split: str) -> tuple[str, ...]:
    return tuple(sorted(frame for frame in frames if frame.startswith(f"{split}/")))


class OfficialSplit:
    """SegNet's split, 367/101/233: select on val, test once."""

    def __call__(self, frames: Sequence[str]) -> Splits:
        """Divide by folder."""
        return Splits(_folder(frames, "train"), _folder(frames, "val"), _folder(frames, "test"))


class TrainvalSplit:
    """Train on train and val (468), no selection, test once (233): what the field's tables use."""

    def __call__(self, frames: Sequence[str]) -> Splits:
        """Divide by folder."""
        return Splits(_folder(frames, "train") + _folder(frames, "val"), (), _folder(frames, "test"))


class ChoiceSplit:
    """Train on train, score on val; the official test frames are not touched: for choosing a recipe."""

    def __call__(self, frames: Sequence[str]) -> Splits:
        """Divide by folder."""
        return Splits(_folder(frames, "train"), (), _folder(frames, "val"))


@dataclass(frozen=True)
class RandomSplit:
    """A seeded random 85/15 split, as we read the paper's: the 15 % are the test frames, nothing selects.

    It leaks: nearly every test frame lies within a second of a training frame.
    The 85 % are rounded down, as in the notebooks that the paper follows: 595/106 of 701, 311/56 of 367.

    Args:
        pool: 701 (all frames) or 367 (the official training frames).
        seed: draws the split; another seed, another split.
        train: how many frames train; None for 85 % of the pool.

    Raises:
        UserError: for another pool, or more training frames than leave one to test.

    Source: paper, section 3.2 ("85 percent images in the training set"); neither pool nor seed is given.
    """

    pool: int = 701
    seed: int = 0
    train: int | None = None

    def __post_init__(self) -> None:
        if self.pool not in (sum(COUNTS.values()), COUNTS["train"]):
            raise UserError(f"split.pool={self.pool}: set 701 (all frames) or 367 (the official training frames)")
        if self.train is not None and not 1 <= self.train < self.pool:
            raise UserError(f"split.train={self.train}: set 1 to {self.pool - 1} of the pool's {self.pool} frames")

    def __call__(self, frames: Sequence[str]) -> Splits:
        """Divide the pool; the order of `frames` does not matter."""
        pool = _folder(frames, "train") if self.pool == COUNTS["train"] else tuple(sorted(frames))
        order = np.random.default_rng(self.seed).permutation(len(pool))
        cut = len(pool) * 85 // 100 if self.train is None else self.train
        train, test = (tuple(pool[i] for i in sorted(chosen)) for chosen in (order[:cut], order[cut:]))
        return Splits(train, (), test)
