"""SwiftNet, single scale and pyramid: the contract, their size, and what the scales share."""

import pytest
import torch
from contract_net import NetContract, parameter_count

from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.swiftnet import SpatialPyramidPooling, SwiftNet, _rounded
from msaseg.nets.swiftnet_pyramid import SwiftNetPyramid, residual_sums
from msaseg.records.cost import cost


class TestSwiftNet(NetContract):
    def build(self, num_classes=12):
        return SwiftNet(num_classes, ResNet18Encoder("none"))


class TestSwiftNetPyramid(NetContract):
    def build(self, num_classes=12):
        return SwiftNetPyramid(num_classes, ResNet18Encoder("none"))


@pytest.mark.parametrize(
    ("kind", "params", "macs"),
    [
        (SwiftNet, 11.796e6, {(1024, 2048): 103.4e9, (768, 1024): 38.8e9, (512, 768): 19.4e9}),
        (SwiftNetPyramid, 12.055e6, {(1024, 2048): 128.1e9, (768, 1024): 48.0e9, (512, 768): 24.0e9}),
    ],
)
def test_swiftnet_with_19_classes_has_the_counted_parameters_and_macs(kind, params, macs):
    """Counted on the authors' code, whose pyramid is a later one than that of their 2019 paper."""
    with torch.device("meta"):
        net = kind(19, ResNet18Encoder("none"))
        counted = {size: cost(net, size)["macs"] for size in macs}
    assert parameter_count(net) == pytest.approx(params, rel=0.02)
    assert counted == pytest.approx(macs, rel=0.02)


@pytest.mark.parametrize("kind", [SwiftNet, SwiftNetPyramid])
def test_scores_are_made_at_stride_4(kind):
    net = kind(12, ResNet18Encoder("none")).eval()
    seen = []
    net.head.register_forward_hook(lambda m, i, output: seen.append(tuple(output.shape)))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
    assert seen == [(1, 12, 16, 24)]


def test_residual_sums_after_their_relu_are_the_encoders_maps():
    torch.manual_seed(0)
    encoder = ResNet18Encoder("none").eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for summed, maps in zip(residual_sums(encoder, images), encoder(images), strict=True):
            assert summed.min() < 0
            torch.testing.assert_close(summed.relu(), maps)


def test_pooling_grids_have_cells_as_square_as_they_can_be():
    pooling = SpatialPyramidPooling(4).eval()
    grids = []
    for level in pooling.levels:
        level.register_forward_pre_hook(lambda m, inputs: grids.append(tuple(inputs[0].shape[-2:])))
    with torch.no_grad():
        pooling(torch.rand(1, 4, 12, 18))
        pooling(torch.rand(1, 4, 12, 1))
    assert grids == [(8, 12), (4, 6), (2, 3), (8, 1), (4, 1), (2, 1)]


def test_pyramid_blends_from_stride_64_to_stride_4():
    net = SwiftNetPyramid(12, ResNet18Encoder("none")).eval()
    sizes = []
    for blend in net.blends:
        blend.register_forward_hook(lambda m, i, output: sizes.append(tuple(output.shape[1:])))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 128))
    assert sizes == [(128, 1, 2), (128, 2, 4), (128, 4, 8), (128, 8, 16), (128, 16, 32)]


def test_scales_start_with_the_batch_norms_that_were_loaded():
    encoder = ResNet18Encoder("none")
    torch.nn.init.constant_(encoder.layer3[0].bn2.running_var, 3.0)
    for level in SwiftNetPyramid(12, encoder).encoder.levels:
        assert (level.layer3[0].bn2.running_var == 3).all()


def test_pyramid_of_a_loaded_encoder_says_where_its_weights_are_from():
    with torch.device("meta"):
        encoder = ResNet18Encoder("none")
        encoder.weights_source = "a file"
        assert SwiftNetPyramid(12, encoder).weights_source == "a file"


def test_scales_share_convolutions_and_not_batch_norms():
    with torch.device("meta"):
        first, second, third = SwiftNetPyramid(12, ResNet18Encoder("none")).encoder.levels
    for other in (second, third):
        assert other.conv1 is first.conv1
        assert other.layer4[1].conv2 is first.layer4[1].conv2
        assert other.bn1 is not first.bn1


@pytest.mark.parametrize("kind", [SwiftNet, SwiftNetPyramid])
def test_other_encoder_is_refused_by_name(kind):
    with pytest.raises(ValueError, match="encoder must be a ResNet18Encoder, not a ConvEncoder"):
        kind(12, ConvEncoder())


def test_columns_of_a_grid_are_rounded_as_python_rounds():
    pairs = [(numerator, denominator) for numerator in range(60) for denominator in range(1, 30)]
    assert [_rounded(*pair) for pair in pairs] == [round(numerator / denominator) for numerator, denominator in pairs]
