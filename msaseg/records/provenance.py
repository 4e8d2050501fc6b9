"""What a number is traced back to: the code, the packages and the machine of a run."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from msaseg.config import CHECKOUT

if TYPE_CHECKING:
    import torch

PACKAGES = [
    "msaseg",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "albumentations",
    "opencv-python-headless",
    "numpy",
    "timm",
    "wandb",
]


def code_state() -> dict[str, Any]:
    """Return `commit` (None outside a git checkout) and `dirty`.

    Dirty: a file of the checkout differs from the commit or is not in it. Results do not count: a sweep
    adds records while it runs, and rendering writes tables and the README.
    """
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!experiments", ":!README.md")
    return {"commit": commit, "dirty": commit is None or bool(changed)}


def _git(*arguments: str) -> str | None:
    if CHECKOUT is None:  # git would look at whatever repository the packages are installed in
        return None
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def versions(*more: str) -> dict[str, str]:
    """Return the version of Python, of every package that a result may depend on, and of these."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, *more):
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            found[name] = "absent"
    return found


def hardware(device: "torch.device", precision: str) -> dict[str, Any]:
    """Return the device's name, the machine's cores and threads, and the precision computed in."""
    import torch  # not above: `code_state` alone needs no torch, which takes seconds to load

    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else _cpu_name(),
        "kind": device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": precision,
    }


@cache
def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def best_precision(on_cpu: str, *, gpu: bool) -> str:
    """Return what `trainer.precision=auto` means here: bf16 on a GPU that computes in it, else the protocol's choice.

    On a CPU no rule holds for every net: in bf16 VGG16's dense convolutions train faster than in float32, depthwise
    ones slower (docs/benchmarks.md has both ratios).

    Args:
        on_cpu: precision on a CPU; bf16 is taken only if the CPU computes in it.
        gpu: whether a GPU computes.
    """
    import torch

    if gpu:
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return on_cpu if torch.cpu._is_avx512_bf16_supported() else "32-true"
