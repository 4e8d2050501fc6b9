"""What an exported file says of itself."""

import json
from typing import Any

from msaseg.classes import PALETTE
from msaseg.export.program import LARGEST, SMALLEST, SMALLEST_RESIZED
from msaseg.records.provenance import code_state
from msaseg.training.restore import Restored

KEY = "msaseg.json"
"""Name of the metadata among the extra files of TorchScript and PT2; ONNX has one property an entry."""


def metadata(restored: Restored, inside: bool, trained: bool) -> dict[str, Any]:
    """Return classes, colours, normalisation, size and origin of an exported program, as JSON values."""
    mean, std = restored.mean_std
    sides = f"N any, H and W from {SMALLEST_RESIZED if trained else SMALLEST} to {LARGEST}"
    images = "uint8 RGB 0 to 255" if inside else "float32 RGB, normalised"
    labels = "labels (N, H, W) uint8, indices of classes; " if inside else ""
    return {
        "net": restored.name,
        "input": f"images (N, 3, H, W), {images}; {sides}",
        "output": f"{labels}logits (N, {len(restored.classes)}, H, W) float32",
        "normalisation": f"(RGB / 255 - mean) / std, {'in the graph' if inside else 'before it, by the caller'}",
        "mean": mean,
        "std": std,
        "classes": list(restored.classes),
        "palette": PALETTE[: len(restored.classes)].tolist(),
        "size": size_in_words(restored, trained),
        "trained_size": list(restored.size),
        "protocol": restored.protocol,
        "config_hash": restored.config_hash,
        "checkpoint": restored.digest,
        **code_state(),
    }


def size_in_words(restored: Restored, trained: bool) -> str:
    """Return at which size the net sees an image inside a program."""
    name = "x".join(map(str, restored.size))
    if trained:
        return f"images of any size are brought to {name}, the size of the training, and the logits back"
    return f"the net sees images as they are; trained at {name}, it is worse at another scale"


def as_text(facts: dict[str, Any]) -> dict[str, str]:
    """Return the metadata with each value that is no text as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
