"""Rows that are computed from a net instead of trained: Table 1."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn

from msaseg.nets.msanet.net import MSANet
from msaseg.records import provenance
from msaseg.records.run import key_of_record
from msaseg.training.module import SegmentationModule
from msaseg.training.record import make_record
from msaseg.training.trainer import build

log = logging.getLogger(__name__)

Values = dict[str, str]
"""What a row shows, by name."""


def compute(config: DictConfig, record_path: Path) -> None:
    """Build the net of a configuration, call `config.compute` on it, and record what that returns.

    Args:
        config: composed and frozen; its `compute` names a function of the net that returns `Values`.
        record_path: where the record is written.

    Raises:
        UserError: a mistake in the values, in one line.
    """
    started = time.perf_counter()
    module: SegmentationModule = build(config, "model")
    function: Callable[[nn.Module], Values] = build(config, "compute")
    results = {"computed": dict(function(module.net))}
    seconds = {"total": time.perf_counter() - started}
    hardware = provenance.hardware(torch.device("cpu"), "32-true")
    make_record(
        config, key_of_record(config, record_path), module, results=results, seconds=seconds, hardware=hardware
    ).save(record_path)
    log.info("computed: %s", record_path)


def context_layer(net: nn.Module, layer: int) -> Values:
    """Return one layer of a net's context module, as Table 1 writes it.

    Args:
        net: an `MSANet` with a context module.
        layer: counted from 1.

    Raises:
        ValueError: the net has no such layer.

    Source: paper, Table 1.
    """
    layers = net.context.layers() if isinstance(net, MSANet) and net.context is not None else []
    if not 1 <= layer <= len(layers):
        raise ValueError(f"compute.layer={layer}: this net's context module has {len(layers)} layers")
    row = layers[layer - 1]
    across, down = row.dilation
    return {
        "filter_size": _size(row.filter_size),
        "dilation": f"({across}, {down})",
        "receptive_field": _size(row.receptive_field),
        "feature_maps": str(row.feature_maps),
        "activation": row.activation,
    }


def _size(pair: tuple[int, int]) -> str:
    return f"{pair[0]}×{pair[1]}"
