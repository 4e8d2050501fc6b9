"""Training augmentation, drawn anew for each frame and epoch from one seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from msaseg.classes import IGNORE
from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels, Size


@dataclass(frozen=True)
class Augment:
    """Which augmentations a protocol applies to its training frames; the default is none.

    Args:
        flip: mirror left and right with probability 1/2.
        scale: (low, high), uniform factor of the size; the result is cropped or padded to `crop`.
        crop: (h, w) cut at a random place; null keeps the input size. What is padded is void.
        jitter: brightness, contrast and saturation vary by factors of 1 - jitter to 1 + jitter.

    Raises:
        UserError: a value is out of range.
    """

    flip: bool = False
    scale: Sequence[float] | None = None
    crop: Sequence[int] | None = None
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise UserError(f"augment.flip={self.flip}: set true or false")
        if self.scale is not None and not (len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1]):
            raise UserError(f"augment.scale={list(self.scale)}: set [low, high] with 0 < low <= high, or null")
        if self.crop is not None and not (len(self.crop) == 2 and min(self.crop) > 0):
            raise UserError(f"augment.crop={list(self.crop)}: set [height, width] in pixels, or null")
        if not 0 <= self.jitter < 1:
            raise UserError(f"augment.jitter={self.jitter}: set a value from 0 to below 1")

    def pipeline(self, size: Size) -> "Pipeline | None":
        """The pipeline for frames of size (h, w), or None if nothing is to be done."""
        if not (self.flip or self.scale or self.crop or self.jitter):
            return None
        return Pipeline(self, size)


class Pipeline:
    """Albumentations of one image and its label, a pure function of (image, label, seed)."""

    def __init__(self, augment: Augment, size: Size) -> None:
        import albumentations as A  # takes seconds to import: only for protocols that augment

        steps: list[Any] = []
        if augment.scale:
            low, high = augment.scale
            steps.append(A.RandomScale((low - 1, high - 1), mask_interpolation=cv2.INTER_NEAREST_EXACT, p=1.0))
        if augment.scale or augment.crop:
            height, width = augment.crop or size
            steps.append(
                A.RandomCrop(
                    *(height, width),
                    pad_if_needed=True,
                    pad_position="random",
                    border_mode=cv2.BORDER_CONSTANT,
                    fill=0,
                    fill_mask=IGNORE,  # the default would pad with class 0
                )
            )
        if augment.flip:
            steps.append(A.HorizontalFlip(p=0.5))
        if augment.jitter:
            spread = (1 - augment.jitter, 1 + augment.jitter)
            steps.append(A.ColorJitter(brightness=spread, contrast=spread, saturation=spread, hue=(0, 0), p=1.0))
        self.compose = A.Compose(steps)

    def __call__(self, image: Pixels, label: Pixels, seed: Sequence[int]) -> tuple[Pixels, Pixels]:
        """Augment one frame.

        Args:
            image: (h, w, 3).
            label: (h, w).
            seed: numbers that name this draw, as (seed, epoch, index). Without it the workers of a loader
                would all draw the same stream, and each epoch would repeat it.
        """
        draws = np.random.default_rng(list(seed))
        # one stream for all steps: `set_random_seed` would give each step the same numbers, and tie flips to scales
        self.compose.set_random_state(draws, random.Random(int(draws.integers(2**63))))
        done = self.compose(image=image, mask=label)
        return done["image"], done["mask"]
