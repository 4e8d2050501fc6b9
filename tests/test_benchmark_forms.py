"""The three forms compute the same, each in its own way."""

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from msaseg.benchmark.forms import ExplicitAttention, fuse_conv_bn, in_form, logits_of
from msaseg.benchmark.variants import build, parse
from msaseg.nets.msanet.attention import PositionAttention
from msaseg.nets.msanet.decoder import Decoder

DEFAULTS = {"form": "plain", "mode": "eager", "precision": "fp32"}
IMAGES = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def net():
    (variant,) = parse(["msanet net/encoder=conv"], DEFAULTS)
    return build(variant, seed=0)


def randomised(net: nn.Module) -> nn.Module:
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net.eval().requires_grad_(False)


def count(net: nn.Module, kind: type) -> int:
    return sum(isinstance(module, kind) for module in net.modules())


@pytest.mark.parametrize("form", ["naive", "plain", "tuned", "end_to_end"])
def test_form_computes_what_the_net_does(net, form):
    with torch.no_grad():
        expected = net(IMAGES)
        found = logits_of(in_form(net, form)(IMAGES))
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()


def test_built_net_hides_nothing_from_the_comparison(net):
    assert all(parameter.any() for parameter in net.parameters())
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all((norm.running_var != 1).all() for norm in norms)
    assert not net.training


def test_tuned_form_has_no_batch_norm_behind_a_convolution_and_leaves_the_net(net):
    before = count(net, nn.BatchNorm2d)
    tuned = in_form(net, "tuned")
    auxiliary = count(net.boundary, nn.BatchNorm2d)  # is not run, so nothing is known of it
    assert count(tuned, nn.BatchNorm2d) == auxiliary
    assert count(net, nn.BatchNorm2d) == before > auxiliary


def test_naive_form_runs_the_boundary_branch_and_holds_the_matrix(net):
    ran = []
    naive = in_form(net, "naive")
    for module in naive.modules():
        if isinstance(module, Decoder):
            module.register_forward_hook(lambda *_: ran.append("decoder"))
    naive(IMAGES)
    assert len(ran) == 2
    assert count(naive, PositionAttention) == 0
    assert count(naive, ExplicitAttention) == count(net, PositionAttention) > 0


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)),
        (nn.Conv2d(3, 6, 3, groups=3), BatchNormAct2d(6, act_layer=nn.ReLU)),
        (nn.ConvTranspose2d(3, 4, 4, stride=2), nn.BatchNorm2d(4), nn.ReLU()),
    ],
    ids=["conv", "timm's norm with activation", "transposed"],
)
def test_batch_norm_is_folded_into_each_kind_of_convolution(layers):
    net = randomised(nn.Sequential(*layers))
    expected = net(IMAGES)
    assert fuse_conv_bn(net, IMAGES) == 1
    assert count(net, nn.BatchNorm2d) == 0
    torch.testing.assert_close(net(IMAGES), expected, rtol=1e-4, atol=1e-4)


class Twice(nn.Module):
    """One convolution before two batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.first, self.second = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, images):
        return self.first(self.conv(images)) - self.second(self.conv(images + 1))


class Spied(nn.Module):
    """A convolution whose output is used beside the batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images):
        maps = self.conv(images)
        return self.norm(maps) + maps


def test_convolution_called_twice_is_not_fused():
    assert fuse_conv_bn(randomised(Twice()), IMAGES) == 0


def test_form_that_computes_something_else_is_refused():
    with pytest.raises(ValueError, match="form=tuned does not compute what the net does"):
        in_form(randomised(Spied()), "tuned")
