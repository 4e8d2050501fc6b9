"""Deep Parsing Network: the contract, its size, and mean field inference against a loop."""

import math

import pytest
import torch
from contract_net import NetContract, parameter_count

from msaseg.nets.dpn import REACH, DeepParsingNetwork, MeanField
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.records.cost import cost


class TestDeepParsingNetwork(NetContract):
    auxiliary_maps = 12

    def build(self, num_classes=12):
        return DeepParsingNetwork(num_classes, VGG16Encoder("none", dilated=True, width=8), fc_channels=16)


def test_dpn_has_the_parameters_of_vgg16_and_macs_at_stride_8():
    """It has no counted column: VGG16 with its fully connected layers has 134.3 M; the layers are summed here."""
    height, width = 512, 768
    at = {stride: height * width // stride**2 for stride in (1, 2, 4, 8)}
    vgg = at[1] * 9 * (3 * 64 + 64 * 64) + at[2] * 9 * (64 * 128 + 128 * 128) + at[4] * 9 * (128 * 256 + 2 * 256 * 256)
    vgg += at[8] * 9 * (256 * 512 + 5 * 512 * 512)
    fully_connected = at[8] * (49 * 512 * 4096 + 4096 * 4096 + 4096 * 12)
    mean_field = at[1] * (12 * 2 * 51 + 81 * 12 * 60)
    with torch.device("meta"):
        net = DeepParsingNetwork(12, VGG16Encoder("none", dilated=True))
        assert parameter_count(net) == pytest.approx(134.3e6, rel=0.02)
        assert cost(net, (height, width))["macs"] == vgg + fully_connected + mean_field


def test_mean_field_is_what_a_loop_over_pixels_computes():
    torch.manual_seed(0)
    module = MeanField(3, mixtures=2).double()
    scores = torch.randn(1, 3, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        found = module(scores)
        likely = scores.sigmoid()[0]
        weights = (module.column * module.row)[0, 0]
        around = torch.zeros_like(likely)
        for y in range(5):
            for x in range(6):
                for v in range(5):
                    for u in range(6):
                        around[:, y, x] += weights[v - y + REACH, u - x + REACH] * likely[:, v, u]
        kernel, bias = module.contexts.weight, module.contexts.bias
        for label in range(3):
            for y in range(5):
                for x in range(6):
                    costs = []
                    for mixture in range(2):
                        total = float(bias[2 * label + mixture])
                        for v in range(max(0, y - 4), min(5, y + 5)):
                            for u in range(max(0, x - 4), min(6, x + 5)):
                                total += float(kernel[2 * label + mixture, :, v - y + 4, u - x + 4] @ around[:, v, u])
                        costs.append(total)
                    expected = -math.log1p(math.exp(-float(scores[0, label, y, x]))) - min(costs)
                    assert float(found[0, label, y, x]) == pytest.approx(expected)


def test_neighbourhood_starts_as_a_gaussian_that_keeps_a_constant():
    module = MeanField(1)
    assert float((module.column * module.row).detach().sum()) == pytest.approx(1)
    assert module.column[0, 0, REACH, 0] == module.column.max()
