"""Backbones A and B, their replication and DFANet, held to the counts of its description and to Eq. 3."""

import pytest
import torch
import torch.nn.functional as F
from contract_net import NetContract, parameter_count
from hydra.utils import instantiate
from torch import nn

from msaseg.config import compose_run
from msaseg.nets.dfanet.aggregation import AggregationEncoder, AggregationNet
from msaseg.nets.dfanet.xception import FcAttention, XceptionBlock, XceptionEncoder, aggregate
from msaseg.nets.msanet.net import MSANet
from msaseg.records.cost import cost

# Multiply-adds (1e9) at 1024x1024 and parameters (1e6) of backbones and attention, assembled from DFANet's description
# (blocks of c/4, c/4, c; 4, 6, 4 blocks a stage; 1x1 projections on stride 2; fc of 1000), each to its last digit.
COUNTED = {
    ("A", 1): (1.66, 0.546), ("A", 2): (2.42, 1.17), ("A", 3): (2.61, 1.79), ("A", 4): (2.66, 2.41),
    ("B", 1): (0.85, 0.334), ("B", 2): (1.21, 0.70), ("B", 3): (1.30, 1.07), ("B", 4): (1.32, 1.44),
}  # fmt: skip


class TestOneBackbone(NetContract):
    def build(self, num_classes=12):
        return AggregationNet(num_classes, "A")


class TestFourBackbones(NetContract):
    def build(self, num_classes=12):
        return AggregationNet(num_classes, "B", 4)


class TestDFANetA(NetContract):
    def build(self, num_classes=12):
        return AggregationNet(num_classes, "A", 3)


class TestDFANetB(NetContract):
    def build(self, num_classes=12):
        return AggregationNet(num_classes, "B", 3)


class TestMSANetWithBackboneA(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, XceptionEncoder("A"), width=16)


class TestMSANetWithBackboneB(NetContract):
    def build(self, num_classes=12):
        return MSANet(num_classes, XceptionEncoder("B"), width=16, num_poolings=0, branches=1)


@pytest.mark.parametrize(("variant", "replicas"), list(COUNTED))
def test_backbones_cost_what_their_description_counts(variant, replicas):
    with torch.device("meta"):
        net = AggregationNet(19, variant, replicas)
    counted = cost(net, (64, 64))["encoder"]
    macs, params = COUNTED[variant, replicas]
    assert counted["input_size"] == [1024, 1024]
    assert counted["macs"] / 1e9 == pytest.approx(macs, abs=0.0101)
    assert counted["params"] / 1e6 == pytest.approx(params, abs=0.0051)


def test_equation_3_in_the_first_backbone_is_the_stage_alone():
    coming = torch.rand(2, 3, 4, 5)
    assert torch.equal(aggregate(lambda x: x + 2 * x, coming, None), 3 * coming)


def test_equation_3_in_the_others_joins_the_stage_of_the_backbone_before():
    coming, previous = torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5)
    joined = torch.cat([coming, previous], 1)
    assert torch.equal(aggregate(lambda x: x + 2 * x, coming, previous), joined + 2 * joined)


def test_block_is_its_input_plus_phi():
    block = XceptionBlock(8, 8).eval()
    maps = torch.rand(2, 8, 6, 6)
    assert torch.equal(block(maps), (maps + block.body(maps)).relu())
    nn.init.zeros_(block.body[-1].weight)
    assert torch.equal(block(maps), maps)  # phi = 0, and the input is positive


def test_second_backbone_sees_each_stage_of_the_first_and_its_attended_map():
    encoder = AggregationEncoder("B", 2).eval()
    seen = []
    for stage in encoder.further[0].stages:
        stage.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        first, second = encoder(torch.rand(1, 3, 64, 96))
    assert [maps.shape[1] for maps in seen] == [128 + 32, 32 + 64, 64 + 128]
    assert torch.equal(seen[0][:, 128:], first.first)
    assert torch.equal(seen[1], torch.cat([second.first, first.second], 1))
    assert torch.equal(seen[2], torch.cat([second.second, first.third], 1))


def test_strides_double_from_one_backbone_to_the_next():
    with torch.no_grad():
        found = AggregationEncoder("B", 4).eval()(torch.rand(1, 3, 256, 128))
    assert [[256 / maps.shape[-2] for maps in backbone[:3]] for backbone in found] == [
        [4, 8, 16], [8, 16, 32], [16, 32, 64], [32, 64, 128],
    ]  # fmt: skip


def test_backbones_share_no_weights():
    encoder = AggregationEncoder("B", 3)
    parts = [encoder.first.backbone, *encoder.further]
    owned = [{id(parameter) for parameter in part.parameters()} for part in parts]
    assert len(set.union(*owned)) == sum(map(len, owned))
    assert not torch.equal(encoder.further[0].attention.fc.weight, encoder.further[1].attention.fc.weight)


def test_fc_attention_weighs_whole_channels():
    attention, maps = FcAttention(4), torch.rand(2, 4, 3, 5) + 1
    ratio = attention(maps) / maps
    assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio), atol=1e-6)


@pytest.mark.parametrize(("variant", "channels"), [("A", (48, 96, 192, 192)), ("B", (32, 64, 128, 128))])
def test_backbone_serves_msanet_as_its_encoder(variant, channels):
    encoder = XceptionEncoder(variant)
    assert encoder.channels == channels
    assert [tuple(maps.shape[1:]) for maps in encoder.eval()(torch.rand(1, 3, 64, 96))] == [
        (width, 64 // stride, 96 // stride) for width, stride in zip(channels, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "C"}, "variant must be one of A, B, not 'C'"),
        ({"replicas": 5}, "replicas must be one of 1, 2, 3, 4, not 5"),
        ({"replicas": 0}, "replicas must be one of 1, 2, 3, 4, not 0"),
    ],
)
def test_wrong_argument_is_named_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        AggregationNet(3, **arguments)


@pytest.mark.parametrize(
    ("model", "params", "macs", "printed_mb", "printed_macs"),
    [("dfanet_a", 1.79e6, 2.61e9, 7.8, 3.4e9), ("dfanet_b", 1.07e6, 1.30e9, 4.8, 2.1e9)],
)
def test_dfanet_has_the_counted_backbones_and_its_published_cost(model, params, macs, printed_mb, printed_macs):
    """The backbones are counted at 1024x1024; "7.8 M" and "4.8 M" fit the whole net's float32 megabytes within 15 %.

    The decoder's widths are not published, so the whole net has no counted column to be held to. Its multiply-adds fit
    the printed 3.4 G and 2.1 G within 3 %, about what their two digits allow.
    """
    config = compose_run([f"model={model}", "protocol=official"]).model
    assert config.name == model
    with torch.device("meta"):
        net = instantiate(config.net, num_classes=19)
        counted = cost(net, (1024, 1024))
    assert counted["encoder"]["params"] == pytest.approx(params, rel=0.02)
    assert counted["encoder"]["macs"] == pytest.approx(macs, rel=0.02)
    assert parameter_count(net) * 4 / 1e6 == pytest.approx(printed_mb, rel=0.15)
    assert counted["macs"] == pytest.approx(printed_macs, rel=0.03)


def test_map_at_stride_32_is_the_pooled_attended_map_without_parameters():
    encoder = XceptionEncoder("B").eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        _, _, third, fourth = encoder(images)
        attended = encoder.stages(images).attended
    assert torch.equal(third, attended)
    assert torch.equal(fourth, F.max_pool2d(attended, 2))
    assert parameter_count(encoder) == parameter_count(encoder.stem) + parameter_count(encoder.backbone)
