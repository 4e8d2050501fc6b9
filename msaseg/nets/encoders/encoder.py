"""What an encoder is: four feature maps at strides 4, 8, 16 and 32 of an RGB image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)


class Encoder(nn.Module):
    """What every encoder has in common: it normalises its input itself.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], H and W multiples of 32.
        returns: four maps, map i of (N, channels[i], H / s, W / s) with s = 4, 8, 16, 32.

    Args:
        channels: of the four maps.
        mean: per colour, of the images that the weights were trained on.
        std: per colour, likewise.

    `weights_source` says what was loaded: "none", a file with its digest, or a download's name.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: Sequence[int], mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.channels: tuple[int, int, int, int] = (first, second, third, fourth)
        self.weights_source = "none"
        # given, not loaded: known also where a net is built on no device, to be filled from a file
        self.register_buffer("mean", torch.tensor(mean, device="cpu").view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, device="cpu").view(3, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Bring RGB in [0, 1] to the mean and spread that the weights expect."""
        return (images - self.mean) / self.std
