"""What a net costs, counted the same way for every net."""

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def cost(net: nn.Module, size: tuple[int, int]) -> dict[str, Any]:
    """Count a net's parameters and the multiply-adds of one image.

    Convolutions, matrix products and attention count; normalisation, activation, pooling and resizing do not.
    Parameters are counts, not the megabytes that several papers print under that name. Parts that only training
    uses (a boundary branch) are parameters, but cost no MACs.

    Args:
        net: maps (1, 3, h, w) to logits.
        size: (h, w) of the image.

    Returns:
        `params`, `macs` (half of the counter's FLOPs) and `input_size` [h, w].
    """
    parameter = next(net.parameters())
    image = torch.zeros(1, 3, *size, device=parameter.device)
    was_training = net.training
    net.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(image)
    net.train(was_training)
    return {
        "params": sum(parameter.numel() for parameter in net.parameters()),
        "macs": counter.get_total_flops() // 2,
        "input_size": list(size),
    }
