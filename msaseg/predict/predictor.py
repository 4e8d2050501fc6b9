"""From pixels to classes: the part of a prediction that runs on the device."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels, Size, resize_image
from msaseg.training.inference import label_map
from msaseg.training.restore import Restored

SMALLEST = 64
"""Height and width from which every net works."""
MOST_SEEN = 1 << 24
"""Pixels that the net sees at once, in one image or a batch."""
BENCH = 3.0
"""Seconds of the bare network, at least."""


class Predictor:
    """Predict the class of each pixel at an image's own size.

    Args:
        restored: the net.
        native: give it images at their own size instead of the size that it was trained on.
    """

    def __init__(self, restored: Restored, native: bool) -> None:
        self.restored, self.native = restored, native
        self.device = next(restored.net.parameters()).device

    def prepare(self, name: object, image: Pixels) -> Pixels:
        """Bring an image to the size that the net sees.

        Raises:
            UserError: the image is too small or too large for the net; `name` stands in the message.
        """
        if not self.native:
            return resize_image(image, self.restored.size)
        height, width = image.shape[:2]
        if min(height, width) < SMALLEST:
            raise UserError(f"{name}: {height}x{width} pixels: the size native needs {SMALLEST}x{SMALLEST} or more")
        if height * width > MOST_SEEN:
            most = f"the size native takes {MOST_SEEN // 10**6} megapixels at most: leave --size away"
            raise UserError(f"{name}: {height}x{width} pixels: {most}")
        return image

    @torch.inference_mode()
    def logits(self, images: Sequence[Pixels]) -> Tensor:
        """Return the logits (N, C, h, w) of prepared images of one size.

        On a GPU this returns before they are computed.

        Raises:
            UserError: there is too little memory for them.
        """
        try:
            return self.restored.logits(self._batch(images)).contiguous(memory_format=torch.channels_last)
        except RuntimeError as error:  # torch has a kind of its own only for a GPU's memory
            if "memory" not in str(error):
                raise
            height, width = images[0].shape[:2]
            mend = "give a smaller --batch, or --size trained"
            raise UserError(f"{len(images)} images of {height}x{width} do not fit into memory: {mend}") from error

    @torch.inference_mode()
    def labels(self, logits: Tensor, size: Size) -> Pixels:
        """Return the classes (H, W) at an image's own size, of its logits (C, h, w)."""
        return label_map(logits, size)

    def bare_rate(self, images: Sequence[Pixels]) -> float:
        """Return how many images a second the net alone computes, again and again on one batch that is in place."""
        self._wait_for(self.logits(images))  # first with what it takes, in one line where memory is short
        batch = self._batch(images)
        count, started = 0, time.perf_counter()
        while (seconds := time.perf_counter() - started) < BENCH:
            with torch.inference_mode():
                self._wait_for(self.restored.logits(batch))
            count += len(images)
        return count / seconds

    def _wait_for(self, computed: Tensor) -> None:
        if computed.is_cuda:
            torch.cuda.synchronize(computed.device)

    def _batch(self, images: Sequence[Pixels]) -> Tensor:
        stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)  # channels last, as it is decoded
        return stacked.to(self.device)
