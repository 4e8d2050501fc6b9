"""Forms of one net that compute the same: naive, plain, tuned, and the whole way from a frame to its classes."""

import copy
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from msaseg.nets.msanet.attention import PositionAttention
from msaseg.nets.net import SegmentationNet

END_TO_END = "end_to_end"
TUNED = ("tuned", END_TO_END)
TOLERANCE = 1e-6
"""How far a form's logits may be from the plain net's in float64, relative to the largest of them."""


def in_form(net: SegmentationNet, form: str) -> nn.Module:
    """Return a copy of a net in a form.

    - naive: the outputs that only training uses are computed too (MSANet's boundary branch), and the attention's
      N x N matrix is in memory; channels first.
    - plain: as the package has it; channels first.
    - tuned: batch norms fused into the convolutions before them; channels last; inference mode.
    - end_to_end: tuned; what is timed begins with a frame and ends with its classes (`session.make_step`).

    Args:
        net: float32, on the CPU, in evaluation mode.
        form: of those.

    Returns:
        Maps images to logits, or in the naive form to logits and the further outputs.

    Raises:
        ValueError: the form does not compute what the net does.
    """
    images = torch.rand(1, 3, 128, 192, generator=torch.Generator().manual_seed(0)).double()
    exact = copy.deepcopy(net).double()  # in float32 a deep net makes much of small roundings
    changed: nn.Module = AllOutputs(copy.deepcopy(exact)) if form == "naive" else copy.deepcopy(exact)
    if form == "naive":
        _make_attention_explicit(changed)
    elif form in TUNED:
        fuse_conv_bn(changed, images)
    with torch.no_grad():
        expected, found = exact(images), logits_of(changed(images))
    difference = float((found - expected).abs().max() / expected.abs().max())
    if not difference <= TOLERANCE:
        raise ValueError(f"form={form} does not compute what the net does: logits differ by {difference:.2g}")
    return changed.float().eval().requires_grad_(False)


def memory_format(form: str, mode: str) -> torch.memory_format:
    """Return how a form's images and weights lie in memory; ONNX Runtime takes channels first alone."""
    return torch.channels_last if form in TUNED and mode != "onnxruntime" else torch.contiguous_format


def without_gradients(form: str) -> AbstractContextManager[Any]:
    """Return the mode of autograd that a form runs in."""
    return torch.inference_mode() if form in TUNED else torch.no_grad()


def logits_of(result: Any) -> Tensor:  # noqa: ANN401 - a tensor, or logits and further outputs
    """Return the logits among what a net returned."""
    logits = result if isinstance(result, Tensor) else result[0]
    assert isinstance(logits, Tensor)
    return logits


class AllOutputs(nn.Module):
    """A net with all its outputs, also those that only training uses."""

    def __init__(self, net: SegmentationNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the net."""
        return self.net.all_outputs(images)


class ExplicitAttention(nn.Module):
    """`PositionAttention` as Eq. 1 and 2 are written, with the N x N matrix in memory.

    Args:
        attention: whose convolutions and factor are used.
    """

    def __init__(self, attention: PositionAttention) -> None:
        super().__init__()
        self.query, self.key, self.value = attention.query, attention.key, attention.value
        self.alpha = attention.alpha

    def forward(self, maps: Tensor) -> Tensor:
        """Compute E of Eq. 2."""
        query, key, value = (conv(maps).flatten(2) for conv in (self.query, self.key, self.value))
        weights = torch.softmax(query.mT @ key, dim=-1)  # (N, h*w, h*w)
        attended: Tensor = value @ weights.mT
        return self.alpha * attended.reshape(maps.shape) + maps


def fuse_conv_bn(net: nn.Module, images: Tensor) -> int:
    """Fold each batch norm that follows a convolution into it, in place; return how many.

    Which follows which is seen in a run, so it does not matter how a net names and holds its layers.

    Args:
        net: in evaluation mode.
        images: that the run takes.
    """
    pairs = _conv_bn_pairs(net, images)
    names = {module: name for name, module in net.named_modules()}
    for conv, norm in pairs:
        transposed = isinstance(conv, nn.ConvTranspose2d)
        net.set_submodule(names[conv], fuse_conv_bn_eval(conv, norm, transpose=transposed))
        rest = nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()
        net.set_submodule(names[norm], rest)
    return len(pairs)


def _conv_bn_pairs(net: nn.Module, images: Tensor) -> list[tuple[nn.Conv2d | nn.ConvTranspose2d, nn.BatchNorm2d]]:
    made: dict[int, tuple[nn.Module, Tensor]] = {}  # the tensor too: an id is unique only while its object lives
    pairs: list[tuple[Any, nn.BatchNorm2d]] = []
    calls: Counter[nn.Module] = Counter()

    def after_conv(conv: nn.Module, _: Any, output: Tensor) -> None:  # noqa: ANN401
        calls[conv] += 1
        made[id(output)] = conv, output

    def before_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls[norm] += 1
        if id(inputs[0]) in made:
            assert isinstance(norm, nn.BatchNorm2d)
            pairs.append((made[id(inputs[0])][0], norm))

    hooks = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d) or (isinstance(module, nn.ConvTranspose2d) and module.groups == 1):
            hooks.append(module.register_forward_hook(after_conv))
        elif type(module) in (nn.BatchNorm2d, BatchNormAct2d):
            hooks.append(module.register_forward_pre_hook(before_norm))
    with torch.no_grad():
        net(images)
    for hook in hooks:
        hook.remove()
    return [(conv, norm) for conv, norm in pairs if calls[conv] == calls[norm] == 1]


def _make_attention_explicit(net: nn.Module) -> None:
    for name, module in list(net.named_modules()):
        if isinstance(module, PositionAttention):
            net.set_submodule(name, ExplicitAttention(module))
