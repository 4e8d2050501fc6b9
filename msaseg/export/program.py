"""The net as it is exported: any image size, and the resizing and processing around it inside if wanted."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from msaseg.data.frames import Size
from msaseg.export.stretching import stretch
from msaseg.nets.blocks import STRIDE, crop
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.net import SegmentationNet
from msaseg.training.inference import upsampled
from msaseg.training.restore import Restored

SMALLEST = 2 * STRIDE + 1
"""Height and width from which a program works whose net sees images as they are: two positions at stride 64."""
SMALLEST_RESIZED = 2
"""The same of a program that brings images to the size of the training; a recorder takes a size of 1 for special."""
LARGEST = 8192
"""Up to which either works."""
INSIDE = ("labels", "logits")
OUTSIDE = ("logits",)


class Program(nn.Module):
    """A net with one graph for all image sizes.

    The nets pad to multiples of 32 (or of their own `padded_to`) only where they must, which a recorded graph cannot
    decide; here the padding is always there, perhaps of no rows, and the net's own finds nothing to do. The result
    is the same.

    A net knows things at the scale of its training images alone, so the program brings images to that size and the
    logits back to theirs, as `msaseg.predict` does; with `size=None` the net sees them as they are.

    Shape:
        images: (N, 3, H, W) RGB: uint8 with the processing inside, else float as the net takes it.
        returns: inside: classes (N, H, W) uint8 and logits; else logits, (N, C, H, W) float32.

    Args:
        net: in evaluation mode.
        inside: scale uint8 to [0, 1] before the net, which normalises that, and choose the class with the largest
            logit after it.
        size: height and width that the net sees; None: the images' own.
    """

    def __init__(self, net: SegmentationNet, inside: bool, size: Size | None = None) -> None:
        super().__init__()
        self.net, self.inside, self.size = net, inside, size
        self.multiple = net.padded_to
        self.smallest = SMALLEST if size is None else SMALLEST_RESIZED

    def forward(self, images: Tensor) -> Any:  # noqa: ANN401 - one tensor or two
        """Scale, stretch, run, stretch back, choose."""
        maps = images.float() / 255 if self.inside else images
        if self.size is None:
            logits = self._padded(maps)
        else:
            logits = upsampled(self._padded(stretch(maps, self.size)), images.shape[-2:])
        return (logits.argmax(1).to(torch.uint8), logits) if self.inside else logits

    def _padded(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[-2:]
        # ONNX divides towards zero, so nothing negative may be divided here
        bottom, right = ((side + self.multiple - 1) // self.multiple * self.multiple - side for side in (height, width))
        return crop(self.net(F.pad(maps, (0, right, 0, bottom), mode="replicate")), maps)


def net_to_export(restored: Restored) -> SegmentationNet:
    """Return a copy of a checkpoint's net, on the CPU, in the memory layout that files are recorded in."""
    net = copy.deepcopy(restored.net)
    return net.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def program(restored: Restored, inside: bool, trained: bool = True) -> Program:
    """Return a checkpoint's program, on the CPU.

    Args:
        restored: the checkpoint.
        inside: with all processing inside the graph; else it takes normalised floats and returns logits.
        trained: bring images to the size of the training and the logits back; else the net sees them as they are.
    """
    net = net_to_export(restored)
    _fix_padding(net)
    if not inside:
        _take_normalised(net)
    return Program(net, inside, restored.size if trained else None).eval()


def prepared(restored: Restored, images: Tensor, inside: bool) -> Tensor:
    """Return what a program takes, of uint8 images (N, 3, H, W): themselves, or normalised floats."""
    if inside:
        return images
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in restored.mean_std)
    return (images.float() / 255 - mean) / std


def example(inside: bool) -> Tensor:
    """Return two images that a graph can be recorded with."""
    shape = (2, 3, 2 * SMALLEST, 3 * SMALLEST)
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
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
