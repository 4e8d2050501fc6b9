"""FCN-8 of section 3.2, whose size is that of the text, and FCN-8s: its contract, size and bilinear beginnings."""

import pytest
import torch
import torch.nn.functional as F
from contract_net import NetContract, parameter_count
from torch.utils.flop_counter import FlopCounterMode

from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.fcn8 import FCN8
from msaseg.nets.fcn8s import FCN8s, bilinear_upsampling
from msaseg.records.cost import cost


def test_fcn8_with_vgg16_and_12_classes_has_the_stated_parameters_and_macs():
    with torch.device("meta"):
        net = FCN8(12, VGG16Encoder("none")).to("meta")  # the colours' means, too
        with FlopCounterMode(display=False) as counter:
            net(torch.rand(1, 3, 224, 224))
    assert parameter_count(net.encoder) == 14_714_688
    assert parameter_count(net) == 135_066_008
    assert counter.get_total_flops() / 2 == 21_253_462_272


def test_fcn8_with_1024_channels_has_the_stated_parameters():
    with torch.device("meta"):
        assert parameter_count(FCN8(12, VGG16Encoder("none"), fc_channels=1024)) == 41_671_064


def test_skips_scaled_by_zero_leave_only_the_coarsest_path():
    torch.manual_seed(0)
    net = FCN8(3, ConvEncoder(), fc_channels=8, skip_scales=(0, 0)).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        coarsest = net.up_sum(net.up_conv7(net.conv7(net.conv6(net.encoder(images)[3]))))
        torch.testing.assert_close(net(images), coarsest)


class TestFCN8s(NetContract):
    def build(self, num_classes=12):
        return FCN8s(num_classes, ConvEncoder(), fc_channels=16)


def test_fcn8s_has_the_counted_parameters_and_macs():
    with torch.device("meta"):
        net = FCN8s(12, VGG16Encoder("none"))
        macs = {size: cost(net, size)["macs"] for size in ((224, 224), (352, 480), (512, 768))}
    assert parameter_count(net) == pytest.approx(134.36e6, rel=1e-4)
    assert macs == pytest.approx({(224, 224): 21.2e9, (352, 480): 71.5e9, (512, 768): 166.5e9}, rel=0.02)


@pytest.mark.parametrize("factor", [2, 8])
def test_upsampling_starts_as_a_bilinear_enlargement(factor):
    maps = torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        ours = bilinear_upsampling(3, factor)(maps)
    expected = F.interpolate(maps, scale_factor=factor, mode="bilinear")
    inner = slice(factor, -factor)  # at the border ours sees zeros
    torch.testing.assert_close(ours[..., inner, inner], expected[..., inner, inner])


def test_skips_of_fcn8s_scaled_by_zero_leave_only_the_coarsest_path():
    torch.manual_seed(0)
    net = FCN8s(3, ConvEncoder(), fc_channels=8, skip_scales=(0, 0)).eval()
    for layer in (net.score_pool3, net.score_pool4):
        torch.nn.init.zeros_(layer.bias)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        scores = net.score(net.drop(net.conv7(net.drop(net.conv6(net.encoder(images)[3])))))
        torch.testing.assert_close(net(images), net.up_last(net.up_sum(net.up_score(scores))))
