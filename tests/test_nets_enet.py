"""ENet: the contract, its size, and the way back up by the places of the maxima."""

import pytest
import torch
from contract_net import NetContract
from torch import nn

from msaseg.nets.enet import Bottleneck, Downsampling, ENet, Upsampling
from msaseg.nets.segnet import pool
from msaseg.records.cost import cost


class TestENet(NetContract):
    def build(self, num_classes=12):
        return ENet(num_classes)


def test_enet_with_12_classes_has_the_counted_parameters_and_macs():
    """The authors' own code has so many parameters; published are 0.37 M.

    Published are also 3.83 GFLOPs with two for each multiply-add: a seventh more than its convolutions have.
    """
    with torch.device("meta"):
        counted = cost(ENet(12), (360, 640))
    assert counted["params"] == 363_856
    assert counted["macs"] == 1_697_760_000


def test_context_stages_work_at_stride_8_with_dilations_up_to_16():
    net = ENet(12).eval()
    seen = []
    net.stages23.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
    assert seen == [(1, 128, 8, 12)]
    dilations = [m.dilation[0] for m in net.stages23.modules() if isinstance(m, nn.Conv2d) and m.dilation[0] > 1]
    assert dilations == [2, 4, 8, 16, 2, 4, 8, 16]


def test_middles_are_as_wide_as_a_quarter_of_what_a_block_puts_out():
    net = ENet(12)
    assert [block.body[0].out_channels for block in (net.down1, net.down2, net.up4, net.up5)] == [16, 32, 16, 4]


def test_decoder_has_no_dropout_and_asymmetric_pairs_no_norm_between():
    net = ENet(12)
    decoder = nn.ModuleList([net.up4, net.stage4, net.up5, net.stage5])
    assert not any(isinstance(module, nn.Dropout2d) for module in decoder.modules())
    body = list(Bottleneck(128, "5x1 1x5", dropout=0.1).body)
    tall = next(i for i, layer in enumerate(body) if getattr(layer, "kernel_size", None) == (5, 1))
    assert body[tall + 1].kernel_size == (1, 5)


@pytest.mark.parametrize("kind", ["3x3", "dilated 4", "5x1 1x5"])
def test_bottleneck_with_its_body_silenced_keeps_what_is_positive(kind):
    block = Bottleneck(8, kind, dropout=0.1).eval()
    nn.init.zeros_(block.body[-2].weight)  # the batch norm before the sum
    maps = torch.rand(1, 8, 9, 7)
    torch.testing.assert_close(block(maps), maps)


def test_downsampling_with_its_body_silenced_pools_and_adds_empty_channels():
    block = Downsampling(4, 6, dropout=0.1).eval()
    nn.init.zeros_(block.body[-2].weight)
    maps = torch.rand(2, 4, 8, 6)
    with torch.no_grad():
        out, places = block(maps)
    torch.testing.assert_close(out[:, :4], nn.functional.max_pool2d(maps, 2))
    assert not out[:, 4:].any()
    assert places.size == (8, 6)


def test_upsampling_with_its_body_silenced_fills_the_places_of_the_maxima_only():
    block = Upsampling(8, 4).eval()
    nn.init.zeros_(block.body[-1].weight)
    nn.init.ones_(block.project[0].weight)
    fine = torch.rand(1, 4, 8, 6)
    _, places = pool(fine)
    with torch.no_grad():
        out = block(torch.rand(1, 8, 4, 3) + 0.1, places)
    maxima = fine == nn.functional.interpolate(nn.functional.max_pool2d(fine, 2), (8, 6))
    assert torch.equal(out > 0, maxima)


def test_prelu_in_the_encoder_and_relu_in_the_decoder():
    net = ENet(12)
    decoder = nn.ModuleList([net.up4, net.stage4, net.up5, net.stage5])
    assert not any(isinstance(module, nn.PReLU) for module in decoder.modules())
    assert not any(isinstance(module, nn.ReLU) for module in net.stages23.modules())
