"""What a net costs, counted the same way for every net."""

import copy
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from msaseg.nets.net import SegmentationNet

ENCODER_SIZE = (1024, 1024)
"""The image size at which DFANet publishes its backbones' costs, and Table 5 prints them."""

UNCOUNTED = (nn.BatchNorm2d, nn.ReLU, nn.PReLU)
"""Layers that cost no MACs and keep every shape: torch takes longer over theirs than over all others together."""


def cost(net: SegmentationNet, size: tuple[int, int]) -> dict[str, Any]:
    """Count a net's parameters and the multiply-adds of one image.

    Convolutions, matrix products and attention count; normalisation, activation, pooling and resizing do not.
    Parameters are counts, not the megabytes that several papers print under that name. Parts that only training
    uses (a boundary branch) are parameters, but not deployed ones, and cost no MACs.

    Args:
        net: stays as it is.
        size: (h, w) of the image.

    Returns:
        `params`, `params_deployed` (of the layers that an image meets), `macs` (half of the counter's FLOPs) and
        `input_size` [h, w]; under `encoder` the same of `net.encoder` at `ENCODER_SIZE`, if the net has one.
    """
    net = copy.deepcopy(net).to("meta").eval()  # shapes are all that counting needs
    return _count(net, size) | ({} if net.encoder is None else {"encoder": _count(net.encoder, ENCODER_SIZE)})


def _count(net: nn.Module, size: tuple[int, int]) -> dict[str, Any]:
    met: set[nn.Parameter] = set()
    for module in net.modules():
        module.register_forward_pre_hook(lambda module, _: met.update(module.parameters(recurse=False)))
        if isinstance(module, UNCOUNTED):
            module.forward = nn.Identity().forward  # type: ignore[method-assign]  # of a copy
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, *size, device="meta"))
    return {
        "params": sum(parameter.numel() for parameter in net.parameters()),
        "params_deployed": sum(parameter.numel() for parameter in met),
        "macs": counter.get_total_flops() // 2,
        "input_size": list(size),
    }
