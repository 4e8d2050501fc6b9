"""Counting a net's cost, held to arithmetic."""

import torch
from torch import nn

from msaseg.nets.net import SegmentationNet
from msaseg.records.cost import ENCODER_SIZE, cost


class Net(SegmentationNet):
    def __init__(self, with_encoder: bool) -> None:
        super().__init__()
        first = nn.Conv2d(3, 4, 3, padding=1)  # 112 parameters, 108 MACs a pixel
        self.head = nn.Conv2d(4, 2, 1)  # 10 parameters, 8 MACs a pixel
        if with_encoder:
            self.encoder = first
        else:
            self.first = first

    def forward(self, images):
        return self.head((self.encoder or self.first)(images))


def test_cost_counts_parameters_and_multiply_adds_of_one_image():
    expected = {"params": 122, "params_deployed": 122, "macs": 116 * 200, "input_size": [10, 20]}
    assert cost(Net(False), (10, 20)) == expected


def test_encoder_is_counted_apart_at_the_published_size():
    height, width = ENCODER_SIZE
    assert cost(Net(True), (10, 20))["encoder"] == {
        "params": 112,
        "params_deployed": 112,
        "macs": 108 * height * width,
        "input_size": [height, width],
    }


def test_net_stays_as_it_was():
    net = Net(True).train()
    weights = net.head.weight.clone()
    cost(net, (8, 8))
    assert net.training
    assert torch.equal(net.head.weight, weights)
    assert net.head.weight.device.type == "cpu"
