"""FCN-8 of section 3.2: its size is that of the text, to the parameter."""

import torch
from contract_net import parameter_count
from torch.utils.flop_counter import FlopCounterMode

from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.fcn8 import FCN8


def test_fcn8_with_vgg16_and_12_classes_has_the_stated_parameters_and_macs():
    with torch.device("meta"):
        net = FCN8(12, VGG16Encoder("none"))
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
