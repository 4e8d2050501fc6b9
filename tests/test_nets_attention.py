"""Eq. 1 and 2 against a plain loop, and without the N x N matrix."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from msaseg.nets.msanet.attention import PositionAttention


class LargestTensor(TorchDispatchMode):
    """Watches every operation, forward and backward, for the largest tensor that it returns."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.numel = max([self.numel, *(t.numel() for t in tree_leaves(out) if isinstance(t, torch.Tensor))])
        return out


def equations_1_and_2(module: PositionAttention, maps: torch.Tensor) -> torch.Tensor:
    """One image, position by position, as the paper's sums are written."""
    channels, height, width = maps.shape
    source = maps.reshape(channels, -1).T  # position, channel

    def project(conv: nn.Conv2d) -> torch.Tensor:
        return source @ conv.weight[:, :, 0, 0].T + conv.bias

    b, a, d = project(module.query), project(module.key), project(module.value)
    result = torch.empty_like(source)
    for j in range(len(source)):
        weights = [torch.exp(torch.dot(a[i], b[j])) for i in range(len(source))]
        total = sum(weights)
        attended = sum(weights[i] / total * d[i] for i in range(len(source)))  # Eq. 1 in Eq. 2
        result[j] = module.alpha * attended + source[j]
    return result.T.reshape(channels, height, width)


@pytest.mark.parametrize("channels", [8, 16, 5])
def test_forward_matches_a_float64_loop_over_equations_1_and_2(channels):
    torch.manual_seed(0)
    module = PositionAttention(channels).double()
    nn.init.constant_(module.alpha, 0.7)
    maps = 3 * torch.randn(2, channels, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack([equations_1_and_2(module, image) for image in maps])
        torch.testing.assert_close(module(maps), expected, rtol=1e-10, atol=1e-10)


def test_forward_with_fresh_weights_is_the_identity():
    maps = torch.randn(1, 16, 4, 5)
    assert torch.equal(PositionAttention(16)(maps), maps)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_training_step_at_64x96_positions_makes_no_n_by_n_tensor(memory_format):
    positions = 64 * 96
    module = PositionAttention(16)
    nn.init.constant_(module.alpha, 0.5)
    maps = torch.randn(1, 16, 64, 96).contiguous(memory_format=memory_format).requires_grad_()
    with LargestTensor() as largest:
        module(maps).square().sum().backward()
    assert maps.grad is not None
    assert positions * 16 <= largest.numel < positions * 200  # N x N would be 6144 a position


def test_watch_of_the_plain_form_at_64x96_positions_sees_the_n_by_n_tensor():
    sequence = torch.randn(1, 64 * 96, 4)
    with LargestTensor() as largest:
        torch.softmax(sequence @ sequence.mT, dim=-1)
    assert largest.numel == (64 * 96) ** 2


@pytest.mark.parametrize(("channels", "count"), [(512, 328_321), (256, 82_241), (128, 20_641)])
def test_parameters_match_danets_position_attention(channels, count):
    assert sum(parameter.numel() for parameter in PositionAttention(channels).parameters()) == count


def test_multiply_adds_are_those_of_the_equations_not_of_the_padding():
    channels, positions = 64, 8 * 12
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        PositionAttention(channels)(torch.zeros(1, channels, 8, 12))
    projections = positions * channels * (channels // 8 + channels // 8 + channels)
    products = positions**2 * (channels // 8 + channels)
    assert counter.get_total_flops() // 2 == projections + products
