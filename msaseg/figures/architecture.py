"""Fig. 3, measured: the shapes that pass along every edge of a MSANet in one forward pass."""

from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from msaseg.config import compose_run, plain
from msaseg.figures.diagram import Branch, Edges, Shape, diagram
from msaseg.figures.planned import Drawing
from msaseg.nets.msanet.attention import PositionAttention
from msaseg.nets.msanet.decoder import Decoder, DecoderStage
from msaseg.nets.msanet.net import MSANet
from msaseg.tables.protocols import Protocol

Seen = dict[nn.Module, tuple[tuple[Any, ...], Any]]
"""Inputs and output of each part of a net."""


def architecture(protocol: Protocol) -> Drawing:
    """Draw the MSANet that a protocol composes; its weights do not matter and are not loaded."""
    config = compose_run([f"protocol={protocol.name}", "protocol.weights=none"])
    net: MSANet = instantiate(plain(config.model.net), _convert_="all")
    encoder = config.model.net.encoder.get("name") or type(net.encoder).__name__.removesuffix("Encoder")
    edges = measure(net, encoder, tuple(config.protocol.size))
    caption = (
        f"MSANet as protocol {protocol.name} builds it. Each edge bears the channels × height × width of one image's "
        "maps, measured by hooks in a forward pass of the module itself."
    )
    return Drawing(diagram(edges, f"Fig. 3: MSANet, protocol {protocol.name}"), caption)


def measure(net: MSANet, encoder: str, size: tuple[int, int]) -> Edges:
    """Run one image through a net and note what passes along its edges.

    Args:
        net: with fusion "concat"; it is moved to the meta device, where shapes are all that is computed, and keeps
            the hooks.
        encoder: what its encoder is called.
        size: (h, w) of the image.
    """
    net, seen = net.to("meta").eval(), Seen()
    for part in net.modules():
        part.register_forward_hook(lambda part, inputs, output: seen.update({part: (inputs, output)}))
    with torch.no_grad():
        logits, extra = net(torch.zeros(1, 3, *size, device="meta"), auxiliary=True)
    outputs = {"segmentation": (net.decoder, logits)}
    if net.boundary is not None:
        outputs["boundary"] = (net.boundary, extra["boundary"])
    (padded,), stages = seen[net.encoder]
    _, pooled = seen[net.pooling]
    height = padded.shape[-2]
    return Edges(
        encoder=encoder,
        poolings=net.pooling.num_poolings,
        image=(3, *size),
        padded=_shape(padded),
        stages={height // maps.shape[-2]: _shape(maps) for maps in stages},
        projected={int(stride): _shape(seen[module][1]) for stride, module in net.pooling.projections.items()},
        pooled={stride: [_shape(maps) for maps in group] for stride, group in pooled.items()},
        joined={int(stride): _shape(seen[mix][0][0]) for stride, mix in net.fusion.mix.items()},
        fused={int(stride): _shape(seen[mix][1]) for stride, mix in net.fusion.mix.items()},
        context=_shape(seen[net.context][1]) if net.context is not None else None,
        branches={name: _branch(decoder, output, seen) for name, (decoder, output) in outputs.items()},
    )


def _branch(decoder: Decoder, output: Tensor, seen: Seen) -> Branch:
    stages = {int(stride): stage for stride, stage in decoder.stages.items() if isinstance(stage, DecoderStage)}
    attends = [2 * stride for stride, stage in stages.items() if isinstance(stage.attention, PositionAttention)]
    finest = min(stages)
    attends += [finest] if isinstance(decoder.attention, PositionAttention) else []
    return Branch(
        start=decoder.start,
        upsampled={stride: _shape(seen[stage.upsample][1]) for stride, stage in stages.items()},
        joined={stride: _shape(seen[stage][1]) for stride, stage in stages.items()},
        attends=tuple(attends),
        last=(decoder.to_full_size.kernel_size[0], decoder.to_full_size.stride[0]),
        full=_shape(seen[decoder.to_full_size][1]),
        output=_shape(output),
    )


def _shape(maps: Tensor) -> Shape:
    _, channels, height, width = maps.shape
    return channels, height, width
