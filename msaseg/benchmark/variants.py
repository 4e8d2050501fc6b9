"""What is measured: a net of `conf/model`, in a form, a mode and a precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import explain, suggestion
from msaseg.config import compose_run
from msaseg.nets.net import SegmentationNet

CHOICES = {
    "form": ("naive", "plain", "tuned", "end_to_end"),
    "mode": ("eager", "compile", "cudagraphs", "onnxruntime"),
    "precision": ("fp32", "tf32", "bf16", "fp16"),
}
"""Keys that a run sets for all nets and an entry for itself, with their values."""

PROTOCOL = ("protocol=official", "protocol.weights=none", "paths.weights=null")
"""All nets are composed under one protocol: 11 classes, random weights."""


@dataclass(frozen=True)
class Variant:
    """One entry of `nets`.

    Args:
        label: the entry as typed, in a run its name.
        model: of a file in `conf/model`.
        words: overrides of the net's configuration.
        form: of the net (`msaseg.benchmark.forms`).
        mode: what runs it (`msaseg.benchmark.modes`).
        precision: of weights and products (`msaseg.benchmark.precision`).
        net_config: of the net, resolved.
    """

    label: str
    model: str
    words: tuple[str, ...]
    form: str
    mode: str
    precision: str
    net_config: dict[str, Any]


def parse(entries: Sequence[str], defaults: dict[str, str]) -> list[Variant]:
    """Return the variants that `nets` names.

    Args:
        entries: a model's name, then words: `form=`, `mode=`, `precision=`, or keys below `model` in its
            configuration (`net.width=32`, `net/encoder=resnet18`).
        defaults: the run's `form`, `mode` and `precision`.

    Raises:
        UserError: no entry, one twice, an unknown model, key or value; in one line that names the entry.
    """
    if not isinstance(entries, list | ListConfig) or not entries:
        raise UserError(f"nets={entries}: write a list of at least one net of conf/model, like nets=[msanet]")
    labels = [" ".join(str(entry).split()) for entry in entries]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"nets: {label} is there twice: leave one out")
    return [_variant(label, defaults) for label in labels]


def build(variant: Variant, seed: int) -> SegmentationNet:
    """Return the net with random weights, in evaluation mode, on the CPU.

    Its batch norms get the statistics of random images, as a trained net's have those of its data: with the initial
    ones the signal of a deep net may shrink to numbers that a CPU computes with slowly. Parameters that are all zero
    (biases, the factor of an attention) get small values, so that no part is multiplied away.

    Raises:
        UserError: the net refuses an argument.
    """
    torch.manual_seed(seed)
    try:
        net = instantiate(variant.net_config, _convert_="all")
    except HydraException as error:
        reason = str(explain(error, []) or error).removeprefix("configuration: ")
        raise UserError(f"nets: {variant.label}: {reason}") from error
    assert isinstance(net, SegmentationNet)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
        _calibrate(net)
    return net.eval().requires_grad_(False)


def _variant(label: str, defaults: dict[str, str]) -> Variant:
    model, *words = label.split(" ")
    chosen = dict(defaults)
    overrides = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"nets: {label}: {word} is not KEY=VALUE: write `msanet net.width=32`, say")
        if key in CHOICES:
            chosen[key] = value
        else:
            overrides.append(word)
    for key, value in chosen.items():
        if value not in CHOICES[key]:
            raise UserError(f"nets: {label}: {key}={value}: {suggestion(str(value), CHOICES[key])}")
    return Variant(label, model, tuple(overrides), net_config=_compose(label, model, overrides), **chosen)


def _compose(label: str, model: str, overrides: list[str]) -> dict[str, Any]:
    words = [f"model{'/' if '/' in word.partition('=')[0] else '.'}{word}" for word in overrides]
    try:
        config = compose_run([f"model={model}", *PROTOCOL, *words])
        container = OmegaConf.to_container(config.model.net, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"nets: {label}: {explain(error, [f'model={model}'])}") from error
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def _calibrate(net: SegmentationNet) -> None:
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    images = torch.rand(2, 3, 128, 192)
    net.train()
    if norms:
        net.all_outputs(images)
