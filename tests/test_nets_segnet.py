"""SegNet: the contract, its size, and pooling and unpooling at any size."""

import pytest
import torch
from contract_net import NetContract
from torch import nn

from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.segnet import SegNet, pool, unpool
from msaseg.records.cost import cost


def small_vgg():
    """Return VGG16's layers with few channels: what is tested here does not depend on them."""
    return VGG16Encoder("none", width=1)


class TestSegNet(NetContract):
    def build(self, num_classes=12):
        return SegNet(num_classes, small_vgg())


def test_segnet_with_vgg16_has_the_published_parameters_and_macs():
    """Published: 29.46 M, and 286 GFLOPs at 360x640, two for each multiply-add."""
    with torch.device("meta"):
        counted = cost(SegNet(12, VGG16Encoder("none")), (360, 640))
    assert counted["params"] == 29_441_996
    assert counted["params"] == pytest.approx(29.46e6, rel=0.02)
    assert counted["macs"] == pytest.approx(286e9 / 2, rel=0.02)


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (1, 5)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_unpooled_maxima_are_where_they_were(size, layout, kind):
    maps = torch.rand(2, 3, *size).to(kind).contiguous(memory_format=layout)
    maxima, places = pool(maps)
    unpooled = unpool(maxima, places)
    assert maxima.shape[-2:] == tuple(-(-length // 2) for length in size)
    found = unpooled > 0
    assert torch.equal(unpooled[found], maps[found])
    assert found.sum() == maxima.numel()


def test_unpooling_of_ties_keeps_one_place_a_window():
    maxima, places = pool(torch.ones(1, 1, 5, 5))
    assert unpool(maxima, places).sum() == 9


def test_encoder_keeps_its_weights_and_loses_its_biases():
    encoder = small_vgg()
    before = {name: value.clone() for name, value in encoder.state_dict().items() if name.endswith("weight")}
    net = SegNet(3, encoder)
    after = net.encoder.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_decoder_mirrors_the_encoder():
    net = SegNet(3, VGG16Encoder("none"))
    widths = [[m.out_channels for m in stage.modules() if isinstance(m, nn.Conv2d)] for stage in net.decoder]
    assert widths == [[512, 512, 512], [512, 512, 256], [256, 256, 128], [128, 64], [64]]


def test_decoder_starts_from_the_maxima_at_stride_32():
    net = SegNet(3, small_vgg()).eval()
    seen = []
    net.decoder[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0]))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
    assert seen[0].shape == (8, 4, 6)  # 2x3 maxima at stride 32, unpooled
    windows = nn.functional.unfold(seen[0][:, None], 2, stride=2)  # (8, 4, 6)
    assert seen[0].any()
    assert ((windows != 0).sum(1) <= 1).all()


def test_segnet_with_another_encoder_is_refused():
    with pytest.raises(ValueError, match="encoder must be a VGG16Encoder, not a ConvEncoder"):
        SegNet(3, ConvEncoder())


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_unpooling_is_the_same_in_a_traced_graph(monkeypatch, size):
    maps, places = pool(torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)))
    expected = unpool(maps, places)
    monkeypatch.setattr(torch.jit, "is_tracing", lambda: True)
    assert torch.equal(unpool(maps, places), expected)
