"""MSFNet: the contract, its size, and a boundary branch that only training pays for."""

import pytest
import torch
from contract_net import NetContract

from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.msfnet import MSFNet, SpatialAwarePooling
from msaseg.records.cost import cost


class TestMSFNet(NetContract):
    def build(self, num_classes=12):
        return MSFNet(num_classes, ResNet18Encoder("none"))


@pytest.mark.parametrize(("size", "macs"), [((1024, 2048), 96.8e9), ((512, 1024), 24.2e9)])
def test_msfnet_costs_what_its_authors_are_remembered_to_print(size, macs):
    """There is no code to count on; the printed FLOPs can only be multiply-adds."""
    with torch.device("meta"):
        assert cost(MSFNet(19, ResNet18Encoder("none")), size)["macs"] == pytest.approx(macs, rel=0.02)


def test_each_stage_gives_a_map_at_its_stride_and_at_five_coarser_ones():
    pooling = SpatialAwarePooling((4, 4, 4, 4))
    maps = [torch.rand(1, 4, 128 // stride, 128 // stride) for stride in (4, 8, 16, 32)]
    pooled = pooling(maps)
    assert {stride: len(found) for stride, found in sorted(pooled.items())} == {
        8: 2, 16: 3, 32: 4, 64: 4, 128: 4, 256: 3, 512: 2, 1024: 1,
    }  # fmt: skip
    assert all(found[0].shape[-1] == max(1, 128 // stride) for stride, found in pooled.items())


def test_fusion_ends_at_stride_8_and_the_boundary_branch_runs_in_training_alone():
    net = MSFNet(12, ResNet18Encoder("none")).eval()
    seen, runs = [], []
    net.fusion.register_forward_hook(lambda m, i, output: seen.append(tuple(output.shape)))
    net.boundary.register_forward_hook(lambda *_: runs.append(1))
    with torch.no_grad():
        net(torch.rand(1, 3, 64, 96))
        assert (seen, runs) == ([(1, 128, 8, 12)], [])
        net(torch.rand(1, 3, 64, 96), auxiliary=True)
    assert runs == [1]
