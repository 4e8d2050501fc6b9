"""MSANet on Backbone A and B keeps the contract; the fourth map adds no parameters."""

import torch
import torch.nn.functional as F
from contract_net import NetContract, parameter_count

from msaseg.nets.dfanet.xception import XceptionEncoder
from msaseg.nets.msanet.net import MSANet


class TestMSANetWithBackboneA(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, XceptionEncoder("A"), width=16)


class TestMSANetWithBackboneB(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, XceptionEncoder("B"), width=16, num_poolings=0, branches=1)


def test_map_at_stride_32_is_the_pooled_attended_map_without_parameters():
    encoder = XceptionEncoder("B").eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        _, _, third, fourth = encoder(images)
        attended = encoder.stages(images).attended
    assert torch.equal(third, attended)
    assert torch.equal(fourth, F.max_pool2d(attended, 2))
    assert parameter_count(encoder) == parameter_count(encoder.stem) + parameter_count(encoder.backbone)
