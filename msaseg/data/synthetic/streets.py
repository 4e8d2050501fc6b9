"""Synthetic street scenes with CamVid's classes: for tests, and to see a net learn without data."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from msaseg.cli.errors import UserError
from msaseg.data.camvid import COUNTS
from msaseg.data.frames import Pixels, row_of
from msaseg.data.manifest import digest
from msaseg.data.synthetic.scene import draw

MEMORY = 2**27
"""Bytes that a process spends at most on scenes that it has drawn."""
MOST = 10**6
"""Scenes of a split."""


class SyntheticStreets:
    """Scenes made on demand, each a function of (seed, split, number), and kept if all fit into `MEMORY`.

    It is source and store in one. Full-size labels are the labels at the input size.

    Args:
        size: (h, w) of images and labels.
        train: number of training scenes.
        val: number of validation scenes.
        test: number of test scenes.
        seed: another seed, other scenes.

    Raises:
        UserError: a size below 32, a seed below 0, or no scene or too many in a split.

    >>> image, label = SyntheticStreets(size=(72, 96)).sample(0, full_label=True)
    >>> image.shape, label.shape
    ((72, 96, 3), (72, 96))
    """

    def __init__(self, size: Sequence[int], train: int = 64, val: int = 16, test: int = 16, seed: int = 0) -> None:
        self.size, self.seed = (int(size[0]), int(size[1])), seed
        if min(self.size) < 32:
            raise UserError(f"source.size={list(size)}: set [height, width] of at least 32 pixels each")
        if type(seed) is not int or seed < 0:
            raise UserError(f"source.seed={seed!r}: set a whole number of 0 or more")
        counts = dict(zip(COUNTS, (train, val, test), strict=True))
        for split, count in counts.items():
            if not 1 <= count <= MOST:
                raise UserError(f"source.{split}={count}: set 1 to {MOST} scenes")
        self._keys = [(split, number) for split, n in enumerate(counts.values()) for number in range(n)]
        self.names = tuple(f"{list(COUNTS)[split]}/street_{number:06d}" for split, number in self._keys)

        self._drawn: dict[int, tuple[Pixels, Pixels]] = {}
        self._all_fit = len(self.names) * math.prod(self.size) * 4 <= MEMORY

    def open(self) -> "SyntheticStreets":
        """There is nothing to read."""
        return self

    @cached_property
    def digest(self) -> str:
        """Digest of all pixels; draws every scene once."""
        return digest(row_of(name, *self.sample(index, full_label=True)) for index, name in enumerate(self.names))

    def sample(self, index: int, *, full_label: bool) -> tuple[Pixels, Pixels]:
        """Image and label of a scene; the caller leaves them as they are."""
        scene = self._drawn.get(index)
        if scene is None:
            scene = draw(np.random.default_rng([self.seed, *self._keys[index]]), self.size)
            if self._all_fit:
                self._drawn[index] = scene
        return scene
