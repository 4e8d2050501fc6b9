"""A trained net as one small file: its weights in half precision and the configuration that rebuilds it."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from msaseg.training.intact import DamagedError

SUFFIX = ".safetensors"
KEY = "msaseg"
"""Name of the configuration, as JSON, among the file's metadata."""


def to_bytes(net: nn.Module, config: dict[str, Any]) -> bytes:
    """Return the file's content: every floating tensor of the net in float16.

    Args:
        net: with its trained weights.
        config: of its training: resolved, plain types.
    """
    state = {
        f"net.{key}": (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for key, tensor in net.state_dict().items()
    }
    content: bytes = save(state, {KEY: json.dumps({"config": config}, sort_keys=True)})
    return content


def read_weights_file(path: Path) -> dict[str, Any]:
    """Return what a checkpoint would hold: `msaseg` with the configuration, and `state_dict`, in float32.

    Raises:
        DamagedError: the file is cut, foreign, or holds numbers that are none.
    """
    try:
        with safe_open(path, "pt") as file:
            content = json.loads((file.metadata() or {})[KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DamagedError(type(error).__name__) from error
    floats = {key: tensor.float() for key, tensor in tensors.items() if tensor.is_floating_point()}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in floats.values()):
        raise DamagedError("a weight is no number")
    return {KEY: content, "state_dict": tensors | floats}
