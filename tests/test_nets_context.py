"""Table 1: derived from the module, and measured by what a pixel's gradient reaches."""

import pytest
import torch
from torch import nn

from msaseg.nets.msanet.context import ContextModule

# (width, height), as the paper prints them.
RECEPTIVE_FIELDS = [(3, 3), (5, 7), (9, 15), (17, 31), (33, 63), (65, 127)]
DILATIONS = [(1, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]


def test_layers_read_from_the_module_give_table_1():
    layers = ContextModule(64).layers()
    assert [row.layer for row in layers] == [1, 2, 3, 4, 5, 6]
    assert [row.filter_size for row in layers] == [(3, 3)] * 6
    assert [row.dilation for row in layers] == DILATIONS
    assert [row.receptive_field for row in layers] == RECEPTIVE_FIELDS
    assert [row.feature_maps for row in layers] == [128, 128, 128, 128, 128, 32]


@pytest.mark.parametrize("depth", range(1, 7))
def test_input_gradient_of_one_output_covers_exactly_the_receptive_field(depth):
    # Positive weights and inputs in float64: no term cancels, no ReLU closes.
    module = ContextModule(1, DILATIONS[:depth], [2] * depth).double()
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0.1, 1.0)
    maps = torch.rand(1, 1, 141, 81, dtype=torch.float64, requires_grad=True)
    module(maps)[0, :, 70, 40].sum().backward()
    rows, columns = maps.grad[0, 0].nonzero(as_tuple=True)
    width, height = RECEPTIVE_FIELDS[depth - 1]
    assert (columns.min(), columns.max()) == (40 - width // 2, 40 + width // 2)
    assert (rows.min(), rows.max()) == (70 - height // 2, 70 + height // 2)


def test_forward_on_a_map_smaller_than_the_dilations_keeps_its_size():
    assert ContextModule(8)(torch.rand(1, 8, 8, 9)).shape == (1, 32, 8, 9)


def test_forward_with_fresh_weights_keeps_the_signals_size():
    torch.manual_seed(0)
    maps = torch.rand(1, 64, 100, 100)
    assert 0.1 < ContextModule(64)(maps).std() / maps.std() < 10


def test_parameters_of_the_module_match_the_closed_form():
    count = sum(parameter.numel() for parameter in ContextModule(64).parameters())
    assert count == (9 * 64 * 128 + 128) + 4 * 147_584 + 36_896


def test_construction_with_uneven_lists_names_both_lengths():
    with pytest.raises(ValueError, match="6 dilations for 2 feature_maps"):
        ContextModule(8, feature_maps=(4, 4))
