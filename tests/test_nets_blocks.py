"""The pieces that nets share: what they compute does not depend on how they are run."""

import pytest
import torch

from msaseg.nets.blocks import average_on_grid


@pytest.mark.parametrize(("size", "grid"), [((12, 15), (2, 3)), ((7, 5), (8, 4)), ((23, 31), (6, 6)), ((4, 9), (1, 1))])
def test_average_on_a_grid_is_the_same_in_a_recorded_graph(monkeypatch, size, grid):
    maps = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = average_on_grid(maps, grid)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(average_on_grid(maps, grid), expected)
