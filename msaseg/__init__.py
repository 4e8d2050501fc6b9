"""Reproducible real-time street-scene segmentation."""

import os
import typing

__version__ = "0.1.0"

# With AMX oneDNN 3.12 computes some convolutions in bf16 wrong, without a word (docs/protocols.md, "Precision").
# It reads this once, before its first computation.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

if typing.TYPE_CHECKING:
    from msaseg.predict.model import Model


def load(checkpoint: "str | os.PathLike[str]", device: str = "auto", native: bool = False) -> "Model":
    """Return a trained net, ready to predict.

    Args:
        checkpoint: path of the `weights.ckpt` that a run left, or the name of published weights.
        device: "auto", "cpu" or "cuda"; auto takes a GPU if there is one.
        native: the net sees pictures at their own size instead of the size that it was trained on.

    Raises:
        msaseg.cli.errors.UserError: the checkpoint or the device cannot be had; a `ValueError` of one line.
    """
    from msaseg.predict.model import Model  # loads torch

    return Model(checkpoint, device, native)
