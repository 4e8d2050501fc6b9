"""The roofline: how fast a net could be at best on a device, from two numbers measured on it."""

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.benchmark.timing import Step, Stopwatch

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers whose weights, input and output are counted."""


@dataclass(frozen=True)
class Peaks:
    """What a device reached, at one precision.

    Args:
        macs_per_s: multiply-adds of a large matrix product or a large convolution, whichever was faster.
        bytes_per_s: read and written by a large copy.
    """

    macs_per_s: float
    bytes_per_s: float


def measure_peaks(device: torch.device, dtype: torch.dtype, stopwatch: Stopwatch, repeats: int = 10) -> Peaks:
    """Multiply large matrices, convolve large maps and copy a large tensor; the best of the repeats counts.

    A matrix product alone would not do: on some CPUs its library is slower than that of convolutions.

    Args:
        device: to be measured.
        dtype: of the products.
        stopwatch: times a call.
        repeats: of each, after one that is left out.
    """
    on_gpu = device.type == "cuda"
    side, size, batch, channels = (8192, 2**30, 32, 512) if on_gpu else (1024, 2**28, 1, 256)
    first, second = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    maps = torch.rand(batch, channels, 64, 64, device=device).to(dtype, memory_format=torch.channels_last)
    kernel = torch.rand(channels, channels, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product = side**3 / _best(lambda: first @ second, stopwatch, repeats)
    convolution = maps.numel() * channels * 9 / _best(lambda: F.conv2d(maps, kernel, padding=1), stopwatch, repeats)
    return Peaks(max(product, convolution), 2 * size / _best(lambda: target.copy_(source), stopwatch, repeats))


def higher(first: Peaks, second: Peaks) -> Peaks:
    """Return the better of two measurements: other work on the machine only ever lowers them."""
    return Peaks(max(first.macs_per_s, second.macs_per_s), max(first.bytes_per_s, second.bytes_per_s))


def traffic(net: nn.Module, size: tuple[int, int], element_size: int) -> int:
    """Return the bytes that one image must move: weights, input and output of every convolution and linear layer.

    The least that a program of separate layers can do: normalisation, activation, sums and resizing can be part of
    the layer before or after them, so they are not counted.

    Args:
        net: maps (1, 3, h, w) to logits.
        size: (h, w) of the image.
        element_size: bytes of a number.
    """
    counted = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        counted += inputs[0].numel() + output.numel() + sum(weights.numel() for weights in module.parameters())

    net = copy.deepcopy(net).to("meta").eval()
    for module in net.modules():
        if isinstance(module, WEIGHTED):
            module.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, 3, *size, device="meta"))
    return counted * element_size


def roofline(peaks: Peaks, cost: dict[str, Any], moved: int, measured_ms: float) -> dict[str, Any]:
    """Return a net's bound at batch 1, the larger of macs / peak and bytes / bandwidth, and how far from it the net is.

    >>> found = roofline(Peaks(1e9, 1e9), {"macs": 2_000_000}, 1_000_000, measured_ms=6.0)
    >>> found["bound_ms"], found["limited_by"], found["times_bound"]
    (2.0, 'compute', 3.0)
    """
    compute, memory = 1000 * cost["macs"] / peaks.macs_per_s, 1000 * moved / peaks.bytes_per_s
    bound = max(compute, memory)
    numbers = {**asdict(peaks), "bound_ms": bound, "times_bound": measured_ms / bound}
    return {
        **{name: float(f"{value:.5g}") for name, value in numbers.items()},
        "macs": cost["macs"],
        "bytes": moved,
        "limited_by": "compute" if compute >= memory else "memory",
    }


def _best(step: Step, stopwatch: Stopwatch, repeats: int) -> float:
    return min([stopwatch(step) for _ in range(repeats + 1)][1:])
