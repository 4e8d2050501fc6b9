"""The nets of one run on their device, and the steps that are timed: the same code for every net."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msaseg.benchmark import precision
from msaseg.benchmark.forms import END_TO_END, in_form, logits_of, memory_format, without_gradients
from msaseg.benchmark.modes import program
from msaseg.benchmark.roofline import traffic
from msaseg.benchmark.timing import Step
from msaseg.benchmark.variants import Variant
from msaseg.nets.net import SegmentationNet
from msaseg.records.cost import cost

FRAME = (720, 960)
"""Height and width of the frames that `form=end_to_end` begins with: those of CamVid's camera."""


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
    """

    size: tuple[int, int]
    device: torch.device


def prepare(variant: Variant, net: SegmentationNet, conditions: Conditions) -> Subject:
    """Count a net, bring it into its form and onto the device.

    Raises:
        ValueError: the precision or the form cannot be had.
    """
    precision.check(variant.precision, conditions.device)
    dtype = precision.TYPES[variant.precision]
    counted = cost(net, conditions.size)
    counted = {name: counted[name] for name in ("params", "params_deployed", "macs", "input_size")}
    moved = traffic(net, conditions.size, dtype.itemsize)
    formed = in_form(net, variant.form)
    formed.to(conditions.device, dtype, memory_format=memory_format(variant.form, variant.mode))  # type: ignore[call-overload]
    return Subject(variant, formed, counted, moved)


def make_step(subject: Subject, batch: int, conditions: Conditions) -> Step:
    """Return one call of a net on a batch of random pixels, which are made, compiled for or captured here.

    It is timed on images that lie on the device. With `form=end_to_end` it begins with uint8 frames in the host's
    memory, brings them to the device, to [0, 1] and to the images' size, and ends with the classes, uint8, in the
    host's memory.

    Raises:
        ValueError: the mode does not run here.
    """
    variant, device = subject.variant, conditions.device
    dtype = precision.TYPES[variant.precision]
    end_to_end = variant.form == END_TO_END
    pixels = torch.randint(0, 256, (batch, 3, *(FRAME if end_to_end else conditions.size)), dtype=torch.uint8)
    pixels = pixels.contiguous(memory_format=memory_format(variant.form, variant.mode))
    if device.type == "cuda":
        pixels = pixels.pin_memory()
    images = images_of(pixels, conditions, dtype)
    with precision.products_in(variant.precision), torch.no_grad():
        run = program(subject.net, images, variant.mode)

    def step() -> Tensor:
        with precision.products_in(variant.precision), without_gradients(variant.form):
            if not end_to_end:
                return logits_of(run(images))
            return logits_of(run(images_of(pixels, conditions, dtype))).argmax(1).to(torch.uint8).cpu()

    return step


def images_of(pixels: Tensor, conditions: Conditions, dtype: torch.dtype) -> Tensor:
    """Bring uint8 pixels to the device, to [0, 1] and to the images' size."""
    images = pixels.to(conditions.device, non_blocking=True).to(dtype) / 255
    return images if images.shape[-2:] == conditions.size else F.interpolate(images, conditions.size, mode="bilinear")
