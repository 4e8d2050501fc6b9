"""The net as it is exported: any image size, and the processing before and after it inside if wanted."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from msaseg.nets.blocks import STRIDE, crop_like
from msaseg.nets.encoders import Encoder
from msaseg.restoring import Restored

SMALLEST = 2 * STRIDE + 1
"""Height and width from which an exported program works: its graph needs two positions at stride 64."""
LARGEST = 8192
"""And up to which."""
INSIDE = ("labels", "logits")
OUTSIDE = ("logits",)


class Program(nn.Module):
    """A net with one graph for all image sizes.

    The nets pad to multiples of 32 (or of their own `padded_to`) only where they must, which a recorded graph cannot
    decide; here the padding is always there, perhaps of no rows, and the net's own finds nothing to do. The result
    is the same.

    Shape:
        images: (N, 3, H, W) RGB: uint8 with the processing inside, else float as the net takes it.
        returns: inside: classes (N, H, W) uint8 and logits; else logits, (N, C, H, W) float32.

    Args:
        net: in evaluation mode.
        inside: scale uint8 to [0, 1] before the net, which normalises that, and choose the class with the largest
            logit after it.
    """

    def __init__(self, net: nn.Module, inside: bool) -> None:
        super().__init__()
        self.net, self.inside = net, inside
        self.multiple = int(getattr(net, "padded_to", STRIDE))

    def forward(self, images: Tensor) -> Any:  # noqa: ANN401 - one tensor or two
        """Scale, pad, run, crop, choose."""
        maps = images.float() / 255 if self.inside else images
        height, width = images.shape[-2:]
        # ONNX divides towards zero, so nothing negative may be divided here
        bottom, right = ((side + self.multiple - 1) // self.multiple * self.multiple - side for side in (height, width))
        logits = crop_like(self.net(F.pad(maps, (0, right, 0, bottom), mode="replicate")), images)
        return (logits.argmax(1).to(torch.uint8), logits) if self.inside else logits


def net_to_export(restored: Restored) -> nn.Module:
    """Return a copy of a checkpoint's net, on the CPU, in the memory layout that files are recorded in."""
    net: nn.Module = copy.deepcopy(restored.net)
    return net.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def program(restored: Restored, inside: bool) -> Program:
    """Return a checkpoint's program, on the CPU.

    Args:
        restored: the checkpoint.
        inside: with all processing inside the graph; else it takes normalised floats and returns logits.
    """
    net = net_to_export(restored)
    _fix_padding(net)
    if not inside:
        _take_normalised(net)
    return Program(net, inside).eval()


def prepared(restored: Restored, images: Tensor, inside: bool) -> Tensor:
    """Return what a program takes, of uint8 images (N, 3, H, W): themselves, or normalised floats."""
    if inside:
        return images
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in restored.mean_std)
    return (images.float() / 255 - mean) / std


def example(inside: bool, size: Sequence[int] = (2 * SMALLEST, 3 * SMALLEST)) -> Tensor:
    """Return two images that a graph can be recorded with."""
    images = torch.randint(0, 256, (2, 3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return images if inside else images.float() / 255


def _take_normalised(net: nn.Module) -> None:
    """Leave normalising to the caller."""
    for module in net.modules():
        if isinstance(module, Encoder):
            module.mean, module.std = torch.zeros_like(module.mean), torch.ones_like(module.std)


def _fix_padding(net: nn.Module) -> None:
    """Give timm's TensorFlow-style convolutions the padding that they compute anew for each image.

    On sizes that the stride divides, which are all here, it is always the same. As a formula of formulas it makes
    torch.export run for hours.
    """
    for name, child in net.named_children():
        if isinstance(child, Conv2dSame):
            setattr(net, name, _padded(child))
        else:
            _fix_padding(child)


def _padded(conv: nn.Conv2d) -> nn.Sequential:
    (tall, wide), (down, across), strides = conv.kernel_size, conv.dilation, conv.stride
    rows, columns = max(0, (tall - 1) * down + 1 - strides[0]), max(0, (wide - 1) * across + 1 - strides[1])
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        (tall, wide),
        (strides[0], strides[1]),
        dilation=(down, across),
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    plain.load_state_dict(conv.state_dict())
    return nn.Sequential(nn.ZeroPad2d((columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)), plain)
