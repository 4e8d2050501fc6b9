"""The four precisions: the type of weights and images, and whether float32 products may be rounded to TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

TYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def check(precision: str, device: torch.device) -> None:
    """Raise if a device does not compute so.

    Raises:
        ValueError: TF32 away from a GPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ValueError("precision=tf32 is a GPU's: on a CPU write fp32 or bf16")


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Let float32 products be rounded to TF32 inside, or not.

    Both switches are global and read at each call, so they are set around whatever is compiled, captured or timed.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
