"""DeepLab-LargeFOV: the contract and its size, layer by layer."""

import pytest
import torch
from contract_net import NetContract, parameter_count

from msaseg.nets.deeplab_largefov import DeepLabLargeFOV
from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.records.cost import cost


class TestDeepLabLargeFOV(NetContract):
    def build(self, num_classes=12):
        return DeepLabLargeFOV(num_classes, VGG16Encoder("none", dilated=True, width=8))


def test_largefov_with_21_classes_has_its_20_5_million_parameters():
    with torch.device("meta"):
        assert parameter_count(DeepLabLargeFOV(21, VGG16Encoder("none", dilated=True))) == pytest.approx(
            20.5e6, rel=0.02
        )


def test_macs_are_those_of_vgg16_with_its_last_stages_at_stride_8():
    """There is no counted column to hold it to: the sum over its layers is written out here."""
    height, width = 512, 768
    at = {stride: height * width // stride**2 for stride in (1, 2, 4, 8)}
    vgg = at[1] * 9 * (3 * 64 + 64 * 64) + at[2] * 9 * (64 * 128 + 128 * 128) + at[4] * 9 * (128 * 256 + 2 * 256 * 256)
    vgg += at[8] * 9 * (256 * 512 + 5 * 512 * 512)
    head = at[8] * (9 * 512 * 1024 + 1024 * 1024 + 1024 * 12)
    with torch.device("meta"):
        net = DeepLabLargeFOV(12, VGG16Encoder("none", dilated=True))
        assert cost(net, (height, width))["macs"] == vgg + head


def test_scores_are_made_at_stride_8():
    net = DeepLabLargeFOV(12, VGG16Encoder("none", dilated=True)).eval()
    seen = []
    net.head.register_forward_hook(lambda m, i, output: seen.append(tuple(output.shape)))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
    assert seen == [(1, 12, 8, 12)]


@pytest.mark.parametrize(
    ("encoder", "words"),
    [(ConvEncoder, "not a ConvEncoder"), (lambda: VGG16Encoder("none"), "must have dilated=True")],
)
def test_other_encoder_is_refused_by_name(encoder, words):
    with torch.device("meta"), pytest.raises(ValueError, match=f"encoder .*{words}"):
        DeepLabLargeFOV(12, encoder())
