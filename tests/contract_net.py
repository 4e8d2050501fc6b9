"""What every net promises; a net's test inherits `NetContract` and says how to build it."""

import copy

import pytest
import torch
from torch import nn

from msaseg.export.program import Program
from msaseg.nets.msanet.attention import PositionAttention
from msaseg.nets.net import SegmentationNet

# A constant added to every key changes no softmax, so the keys' biases have no gradient but rounding.
WITHOUT_GRADIENT = ("key.bias",)


def parameter_count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def wake_attention(net: nn.Module) -> None:
    """Attention starts as the identity (alpha = 0), and nothing behind a zero gets a gradient."""
    for module in net.modules():
        if isinstance(module, PositionAttention):
            nn.init.constant_(module.alpha, 0.5)


def all_outputs(net: SegmentationNet, images: torch.Tensor) -> list[torch.Tensor]:
    """The logits, then the auxiliary outputs in the order of `net.auxiliaries`."""
    logits, auxiliary = net.all_outputs(images)
    assert tuple(auxiliary) == net.auxiliaries
    return [logits, *auxiliary.values()]


class NetContract:
    """Inherit and define `build`."""

    auxiliary_maps = 1  # 12: its auxiliary outputs have a map a class

    def build(self, num_classes: int = 12) -> SegmentationNet:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @staticmethod
    def built(request) -> SegmentationNet:
        """One net for the tests of a class: it takes longer to build than to ask."""
        torch.manual_seed(0)
        return request.cls().build().eval()

    @pytest.fixture
    def net(self, built) -> SegmentationNet:
        """It stays as it is: a test that trains it takes a copy."""
        torch.manual_seed(0)
        return built

    @pytest.mark.parametrize("size", [(96, 128), (65, 97), (64, 64)])
    def test_forward_at_any_size_gives_finite_logits_of_that_size(self, net, size):
        with torch.no_grad():
            logits = net(torch.rand(2, 3, *size))
        assert logits.shape == (2, 12, *size)
        assert logits.isfinite().all()

    def test_forward_with_another_class_count_gives_as_many_maps(self):
        with torch.no_grad():
            assert self.build(num_classes=5).eval()(torch.rand(1, 3, 64, 96)).shape == (1, 5, 64, 96)

    def test_forward_with_auxiliaries_keeps_the_logits_and_adds_one_map_each(self, net):
        images = torch.rand(1, 3, 65, 97)
        with torch.no_grad():
            logits, *auxiliary = all_outputs(net, images)
            torch.testing.assert_close(logits, net(images))
        assert [tuple(maps.shape) for maps in auxiliary] == [(1, self.auxiliary_maps, 65, 97)] * len(net.auxiliaries)

    @pytest.mark.parametrize("size", [(64, 96), (65, 97), (95, 127)])
    def test_padding_before_the_net_changes_nothing(self, net, size):
        """An exported program pads always, so a net must pad before all else and crop after all else."""
        images = torch.rand(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(Program(net, inside=False)(images), net(images))

    def test_backward_reaches_every_parameter(self, net):
        net = copy.deepcopy(net).train()
        wake_attention(net)
        sum(maps.square().mean() for maps in all_outputs(net, torch.rand(2, 3, 96, 160))).backward()
        idle = [
            name
            for name, parameter in net.named_parameters()
            if parameter.grad is None or not (name.endswith(WITHOUT_GRADIENT) or parameter.grad.abs().sum() > 0)
        ]
        assert idle == []

    def test_eval_forward_repeated_gives_the_same_logits(self, net):
        images = torch.rand(1, 3, 64, 96)
        before = images.clone()
        with torch.no_grad():
            assert torch.equal(net(images), net(images))
        assert torch.equal(images, before), "the net changed its input"

    def test_state_dict_loaded_into_another_instance_gives_the_same_logits(self, net):
        torch.manual_seed(1)
        other = self.build().eval()
        images = torch.rand(1, 3, 64, 96)
        with torch.no_grad():
            assert not torch.equal(net(images), other(images))
            other.load_state_dict(net.state_dict())
            assert torch.equal(net(images), other(images))
