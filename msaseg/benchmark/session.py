"""The nets of one run on their device, and the steps that are timed: the same code for every net."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from msaseg.benchmark import precision
from msaseg.benchmark.forms import in_form, logits_of, memory_format, without_gradients
from msaseg.benchmark.modes import program
from msaseg.benchmark.roofline import traffic
from msaseg.benchmark.timing import Step
from msaseg.benchmark.variants import Variant
from msaseg.nets.net import SegmentationNet
from msaseg.records.cost import cost

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """A net ready to be measured.

    Args:
        variant: what it is.
        net: in its form, on the device, in its type.
        cost: `params`, `macs` and `input_size` of the plain net.
        moved: bytes that one image must move (`roofline.traffic`).
    """

    variant: Variant
    net: nn.Module
    cost: dict[str, Any]
    moved: int


@dataclass(frozen=True)
class Conditions:
    """What holds for all nets of a run.

    Args:
        size: (height, width) of the images.
        device: that the nets run on.
        copy: whether a step brings uint8 pixels from the host's memory to the device and scales them to [0, 1].
        argmax: whether a step chooses each pixel's class.
    """

    size: tuple[int, int]
    device: torch.device
    copy: bool
    argmax: bool


def prepare(variant: Variant, net: SegmentationNet, conditions: Conditions) -> Subject:
    """Count a net, bring it into its form and onto the device.

    Raises:
        ValueError: the precision or the form cannot be had.
    """
    precision.check(variant.precision, conditions.device)
    dtype = precision.TYPES[variant.precision]
    counted = cost(net, conditions.size)
    counted = {name: counted[name] for name in ("params", "macs", "input_size")}
    moved = traffic(net, conditions.size, dtype.itemsize)
    formed = in_form(net, variant.form)
    formed.to(conditions.device, dtype, memory_format=memory_format(variant.form, variant.mode))  # type: ignore[call-overload]
    return Subject(variant, formed, counted, moved)


def make_step(subject: Subject, batch: int, conditions: Conditions) -> Step:
    """Return one call of a net on a batch of random pixels, which are made, compiled for or captured here.

    Raises:
        ValueError: the mode does not run here.
    """
    variant, device = subject.variant, conditions.device
    dtype = precision.TYPES[variant.precision]
    pixels = torch.randint(0, 256, (batch, 3, *conditions.size), dtype=torch.uint8)
    pixels = pixels.contiguous(memory_format=memory_format(variant.form, variant.mode))
    if device.type == "cuda":
        pixels = pixels.pin_memory()
    images = scaled(pixels, device, dtype)
    with precision.products_in(variant.precision), torch.no_grad():
        run = program(subject.net, images, variant.mode)

    def step() -> Tensor:
        with precision.products_in(variant.precision), without_gradients(variant.form):
            logits = logits_of(run(scaled(pixels, device, dtype) if conditions.copy else images))
            return logits.argmax(1) if conditions.argmax else logits

    return step


def scaled(pixels: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Bring uint8 pixels to the device and to [0, 1]."""
    return pixels.to(device, non_blocking=True).to(dtype) / 255
