"""ICNet: the contract, its size, and auxiliary heads that only training pays for."""

import pytest
import torch
from contract_net import NetContract, parameter_count
from torch.utils.flop_counter import FlopCounterMode

from msaseg.config import compose_run
from msaseg.nets.icnet import ICNet, PyramidPooling
from msaseg.records.cost import cost


class TestICNet(NetContract):
    auxiliary_maps = 12

    def build(self, num_classes=12):
        return ICNet(num_classes)


@pytest.mark.parametrize(("size", "macs"), [((1025, 2049), 29.8e9), ((721, 961), 9.9e9), ((513, 769), 5.8e9)])
def test_icnet_with_19_classes_has_the_counted_parameters_and_macs(size, macs):
    """Counted on the released network; the published 26.5 M are its megabytes in float32."""
    with torch.device("meta"):
        net = ICNet(19)
        counted = cost(net, size)
    assert counted["params"] - parameter_count(net.auxiliary_heads) == 6_699_987
    assert counted["params"] == pytest.approx(6.70e6, rel=0.02)
    assert counted["params"] * 4 == pytest.approx(26.5e6, rel=0.02)
    assert counted["macs"] == pytest.approx(macs, rel=0.02)


def test_branches_work_at_strides_32_16_and_8():
    net = ICNet(12).eval()
    seen = {}
    for name in ("on_quarter", "on_half", "on_full"):
        getattr(net, name).register_forward_hook(lambda m, i, output, name=name: seen.update({name: output.shape[1:]}))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
    assert seen == {"on_quarter": (256, 2, 3), "on_half": (256, 4, 6), "on_full": (64, 8, 12)}


def test_auxiliary_heads_cost_nothing_without_the_flag():
    with torch.device("meta"):
        net = ICNet(12).eval()
        images = torch.rand(1, 3, 64, 96)
        with FlopCounterMode(display=False) as plain:
            net(images)
        with FlopCounterMode(display=False) as training:
            net(images, auxiliary=True)
    heads = 12 * (256 * 4 * 6 + 128 * 8 * 12)  # 1x1 convolutions at strides 16 and 8
    assert (training.get_total_flops() - plain.get_total_flops()) // 2 == heads


def test_auxiliary_losses_weigh_as_published():
    auxiliary = compose_run(["model=icnet", "protocol=smoke"]).model.auxiliary
    assert {name: entry.weight for name, entry in auxiliary.items()} == {"fusion16": 0.4, "fusion8": 0.4}
    assert tuple(auxiliary) == ICNet.auxiliaries


def test_pyramid_pooling_of_a_constant_sums_five_times_the_constant():
    pooling = PyramidPooling(3, 4)
    seen = []
    pooling.reduce.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        pooling.eval()(torch.full((1, 3, 5, 7), 2.0))
    torch.testing.assert_close(seen[0], torch.full((1, 3, 5, 7), 10.0))
