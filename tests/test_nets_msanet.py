"""MSANet: every value of every ablation argument is another network, and nothing in it is dead."""

import pytest
import torch
from contract_net import all_outputs, parameter_count, wake_attention
from torch import nn

from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.msanet.attention import PositionAttention
from msaseg.nets.msanet.net import MSANet
from msaseg.nets.msanet.pooling import SpatialPooling

TABLE_2 = {0: 15_815_366, 1: 15_973_702, 2: 15_992_390, 3: 16_011_078, 4: 16_029_766, 5: 16_048_454}
TABLE_3 = {  # "context" and "sum" are not in the paper
    (1, "none"): 15_127_406,
    (1, "context"): 15_868_982,
    (1, "sum"): 15_881_358,
    (1, "concat"): 16_048_454,
    (2, "none"): 15_338_897,
    (2, "context"): 16_088_961,
    (2, "sum"): 16_103_281,
    (2, "concat"): 16_414_945,
}


def vgg_count(**arguments) -> int:
    with torch.device("meta"):
        return parameter_count(MSANet(12, VGG16Encoder("none"), **arguments))


@pytest.mark.parametrize("num_poolings", TABLE_2)
def test_num_poolings_of_table_2_gives_the_stated_parameters(num_poolings):
    assert vgg_count(num_poolings=num_poolings, branches=1) == TABLE_2[num_poolings]


@pytest.mark.parametrize(("branches", "fusion"), TABLE_3)
def test_branches_and_fusion_of_table_3_give_the_stated_parameters(branches, fusion):
    assert vgg_count(branches=branches, fusion=fusion) == TABLE_3[branches, fusion]


def test_attention_strides_add_one_attention_a_branch_and_stride():
    without = vgg_count(attention_strides=(), branches=1)
    at_16 = vgg_count(attention_strides=(16,), branches=1)
    assert at_16 - without == parameter_count(PositionAttention(128))  # 64 upsampled + 64 fused
    assert vgg_count(branches=1) - at_16 == parameter_count(PositionAttention(96))  # 64 upsampled + 32 context
    counts = {vgg_count(attention_strides=strides) for strides in ((), (8,), (16,), (16, 8), (64, 32, 16, 8))}
    assert len(counts) == 5


def test_dilated_vgg_has_the_same_parameters_and_strides_but_other_last_features():
    torch.manual_seed(0)
    plain, dilated = VGG16Encoder("none").eval(), VGG16Encoder("none", dilated=True).eval()
    dilated.load_state_dict(plain.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        pairs = list(zip(plain(images), dilated(images), strict=True))
    assert [ours.shape == other.shape for ours, other in pairs] == [True] * 4
    assert [torch.equal(ours, other) for ours, other in pairs] == [True, True, True, False]


@pytest.mark.parametrize(
    ("num_poolings", "fusion"),
    [*((n, "concat") for n in range(6)), (1, "none"), (5, "none"), (5, "sum"), (5, "context"), (1, "context")],
)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_every_pooled_map_by_itself_reaches_the_logits(num_poolings, fusion, training):
    torch.manual_seed(0)
    net = MSANet(4, ConvEncoder(), width=8, num_poolings=num_poolings, branches=1, fusion=fusion)
    net.train(training)
    leaves = []

    def cut(module: nn.Module, args: object, pooled: dict[int, list[torch.Tensor]]):
        """Make every map a leaf, so that no gradient arrives by way of a coarser pooling of it."""
        cut_maps = {stride: [t.detach().requires_grad_() for t in maps] for stride, maps in pooled.items()}
        leaves.extend((stride, leaf) for stride, maps in cut_maps.items() for leaf in maps)
        return cut_maps

    net.pooling.register_forward_hook(cut)
    net(torch.rand(2, 3, 192, 256)).square().mean().backward()
    assert len(leaves) == sum(net.pooling.maps_per_stride.values())
    assert [stride for stride, leaf in leaves if leaf.grad is None or leaf.grad.abs().sum() == 0] == []


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
@pytest.mark.parametrize("num_poolings", range(6))
def test_pooling_counts_and_sizes_follow_from_the_strides(num_poolings, size):
    pooling = SpatialPooling((8, 8, 8, 8), width=4, num_poolings=num_poolings).eval()
    height, width = 32 * size[0], 32 * size[1]
    features = [torch.rand(1, 8, height // s, width // s) for s in (4, 8, 16, 32)]
    pooled = pooling(features)
    assert {stride: len(maps) for stride, maps in pooled.items()} == pooling.maps_per_stride
    # N + 1 maps of three stages, and N of the stride-4 stage.
    assert sum(pooling.maps_per_stride.values()) == 3 * (num_poolings + 1) + num_poolings
    for stride, maps in pooled.items():
        expected = (1, 4, -(-height // stride), -(-width // stride))
        assert [tuple(tensor.shape) for tensor in maps] == [expected] * len(maps)


def test_pooling_of_a_1x1_map_repeats_it():
    pooling = SpatialPooling((8, 8, 8, 8), width=4, num_poolings=5).eval()
    features = [torch.rand(1, 8, side, side) for side in (8, 4, 2, 1)]
    coarsest_stage = [maps[0] for stride, maps in pooling(features).items() if stride >= 64]
    assert coarsest_stage[0].shape == (1, 4, 1, 1)
    assert all(torch.equal(maps, coarsest_stage[0]) for maps in coarsest_stage)


def test_auxiliary_not_asked_for_leaves_the_boundary_branch_unused():
    net = MSANet(4, ConvEncoder(), width=8).eval()
    calls = []
    net.boundary.register_forward_hook(lambda *_: calls.append(1))
    images = torch.rand(1, 3, 64, 64)
    net(images)
    assert calls == []
    net(images, auxiliary=True)
    assert calls == [1]


def test_one_branch_asked_for_auxiliaries_gives_an_empty_dict():
    net = MSANet(4, ConvEncoder(), width=8, branches=1).eval()
    assert net.auxiliaries == ()
    assert net(torch.rand(1, 3, 64, 64), auxiliary=True)[1] == {}


def test_training_under_bfloat16_autocast_gives_finite_gradients():
    net = MSANet(4, ConvEncoder(), width=8)
    wake_attention(net)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = all_outputs(net, torch.rand(2, 3, 64, 128))
    sum(maps.float().square().mean() for maps in outputs).backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("num_poolings", -1, "num_poolings must be one of 0, 1, 2, 3, 4, 5, not -1"),
        ("num_poolings", 9, "num_poolings must be one of 0, 1, 2, 3, 4, 5, not 9"),
        ("branches", 3, "branches must be one of 1, 2, not 3"),
        ("fusion", "add", "fusion must be one of none, context, sum, concat, not 'add'"),
        ("attention_strides", (16, 4), "attention_strides must be one of 64, 32, 16, 8, not 4"),
    ],
)
def test_argument_outside_its_values_names_it_and_them(argument, value, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        MSANet(4, ConvEncoder(), **{argument: value})


def test_attention_at_stride_64_without_poolings_is_refused():
    with pytest.raises(ValueError, match="attention_strides must be one of 32, 16, 8, not 64"):
        MSANet(4, ConvEncoder(), num_poolings=0, attention_strides=(64,))
