"""BiSeNet: the contract, its size with both encoders, and auxiliary heads that only training pays for."""

import pytest
import torch
from contract_net import NetContract, parameter_count

from msaseg.config import compose_run
from msaseg.nets.bisenet import AttentionRefinement, BiSeNet, FeatureFusion
from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.encoders.xception39 import Xception39Encoder
from msaseg.records.cost import cost


class TestBiSeNetXception39(NetContract):
    auxiliary_maps = 12

    def build(self, num_classes=12):
        return BiSeNet(num_classes, Xception39Encoder(), auxiliary_width=128)


class TestBiSeNetResNet18(NetContract):
    auxiliary_maps = 12

    def build(self, num_classes=12):
        return BiSeNet(num_classes, ResNet18Encoder("none"))


@pytest.mark.parametrize(
    ("encoder", "width", "params", "training", "macs"),
    [
        (Xception39Encoder, 128, 1.542e6, 1.84e6, {(360, 640): 3.07e9, (768, 1536): 15.6e9}),
        (lambda: ResNet18Encoder("none"), 256, 12.894e6, 13.49e6, {(360, 640): 11.58e9, (768, 1536): 58.3e9}),
    ],
)
def test_bisenet_costs_what_is_counted_on_the_authors_code(encoder, width, params, training, macs):
    """With 19 classes. 360 rows are padded to 384 inside, so the counts at that size are for what 360 would cost."""
    with torch.device("meta"):
        net = BiSeNet(19, encoder(), width)
        whole, heads = parameter_count(net), parameter_count(net.auxiliary_heads)
        counted = {size: cost(net, size)["macs"] * size[0] / (-(-size[0] // 32) * 32) for size in macs}
    assert whole - heads == pytest.approx(params, rel=0.02)
    assert whole == pytest.approx(training, rel=0.02)
    assert counted == pytest.approx(macs, rel=0.02)


def test_xception39_has_the_counted_parameters():
    """Counted on the authors' code; batch norms after the depthwise convolutions would exceed the 2 %."""
    with torch.device("meta"):
        assert parameter_count(Xception39Encoder()) == pytest.approx(0.299e6, rel=0.02)


def test_xception39_yields_its_widths_at_strides_4_to_32():
    encoder = Xception39Encoder().eval()
    with torch.no_grad():
        maps = encoder(torch.rand(1, 3, 64, 96))
    assert [tuple(found.shape[1:]) for found in maps] == [(8, 16, 24), (64, 8, 12), (128, 4, 6), (256, 2, 3)]
    assert encoder.channels == (8, 64, 128, 256)


def test_paths_meet_at_stride_8():
    net = BiSeNet(12, Xception39Encoder(), 128).eval()
    seen = {}
    net.fusion.register_forward_hook(lambda m, inputs, output: seen.update(inputs=inputs, output=output))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
    assert [tuple(maps.shape) for maps in seen["inputs"]] == 2 * [(1, 128, 8, 12)]
    assert tuple(seen["output"].shape) == (1, 256, 8, 12)


def test_auxiliary_heads_do_not_run_without_the_flag():
    net = BiSeNet(12, Xception39Encoder(), 128).eval()
    runs = []
    for head in net.auxiliary_heads.values():
        head.register_forward_hook(lambda *_: runs.append(1))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
        assert runs == []
        net(torch.rand(1, 3, 64, 96), auxiliary=True)
    assert len(runs) == 2


def test_attention_refinement_weighs_whole_channels_between_0_and_1():
    torch.manual_seed(0)
    module = AttentionRefinement(8).eval()
    maps = torch.rand(1, 8, 6, 9)
    with torch.no_grad():
        ratio = module(maps) / module.conv(maps).clamp(min=1e-12)
        kept = module.conv(maps) > 1e-6
    for channel in range(ratio.shape[1]):
        values = ratio[0, channel][kept[0, channel]]
        assert values.numel() == 0 or (values.max() - values.min() < 1e-4 and 0 < values[0] < 1)


def test_fusion_adds_at_most_as_much_as_there_is():
    torch.manual_seed(0)
    module = FeatureFusion().eval()
    spatial, context = torch.rand(2, 1, 128, 4, 6)
    with torch.no_grad():
        mixed = module.mix(torch.cat([spatial, context], dim=1))
        fused = module(spatial, context)
    assert (fused >= mixed).all()
    assert (fused <= 2 * mixed).all()


@pytest.mark.parametrize("model", ["bisenet_xception39", "bisenet_resnet18"])
def test_every_output_is_trained_by_hard_pixels_with_weight_one(model):
    config = compose_run([f"model={model}", "protocol=smoke"]).model
    assert config.loss._target_ == "msaseg.training.ohem.OhemLoss"
    assert {name: entry.weight for name, entry in config.auxiliary.items()} == dict.fromkeys(BiSeNet.auxiliaries, 1.0)
    assert {entry.loss._target_ for entry in config.auxiliary.values()} == {config.loss._target_}
