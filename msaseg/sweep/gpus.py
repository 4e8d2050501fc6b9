"""The GPUs that this process may use, found without loading torch."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from msaseg.cli.errors import UserError

DEVICES = Path("/dev")
"""Where the driver shows the GPUs that there are."""


@dataclass(frozen=True)
class Gpu:
    """One device.

    Args:
        id: its index or UUID, as CUDA_VISIBLE_DEVICES takes it.
        name: of the product; empty where the driver's tool is not there to ask.
        whole_id: the UUID, whatever `id` is; "" where it is `id`, or unknown.
        index: of the GPU that it is, or is a slice of; None where it is unknown.
    """

    id: str
    name: str
    whole_id: str = ""
    index: int | None = None

    @property
    def uuid(self) -> str:
        """What all processes of the machine call it."""
        return (self.whole_id or self.id).replace("/", "-")


def visible_gpus() -> list[Gpu]:
    """Return the devices that CUDA_VISIBLE_DEVICES leaves, or all that `nvidia-smi` lists.

    Raises:
        UserError: it lists none, and there are some.
    """
    listed = _listed()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        if not listed and any(DEVICES.glob("nvidia[0-9]*")):
            raise UserError("there are GPUs that `nvidia-smi -L` does not list: mend it or set CUDA_VISIBLE_DEVICES")
        return listed
    ids = [word.strip() for word in chosen.split(",")]
    ends = [number for number, word in enumerate(ids) if word in ("", "-1", "NoDevFiles")]
    ids = ids[: ends[0]] if ends else ids  # CUDA stops reading at the first word that is no device
    return [_named(id, listed) for id in ids]


def _named(id: str, listed: list[Gpu]) -> Gpu:
    if id.isdigit():
        gpu = next((gpu for gpu in listed if gpu.index == int(id)), None)  # of slices CUDA takes the first
    else:
        gpu = next((gpu for gpu in listed if gpu.id.startswith(id)), None)
    return Gpu(id, gpu.name, gpu.id) if gpu else Gpu(id, "")


def _listed() -> list[Gpu]:
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_listing(done.stdout)


def parse_listing(text: str) -> list[Gpu]:
    r"""Return the devices in the output of `nvidia-smi -L`; a GPU cut into MIG slices counts as its slices.

    >>> [gpu.id for gpu in parse_listing("GPU 0: NVIDIA L4 (UUID: GPU-11)\nGPU 1: NVIDIA L4 (UUID: GPU-22)")]
    ['GPU-11', 'GPU-22']
    """
    gpus: list[Gpu] = []
    whole: Gpu | None = None
    for line in text.splitlines():
        match = re.match(
            r"^(?P<slice>\s*MIG )?(?:GPU (?P<index>\d+): )?(?P<name>.*?) \(UUID: (?P<id>[^)]+)\)$", line.rstrip()
        )
        if match is None:
            continue
        if match["slice"] is None:
            whole = Gpu(match["id"], match["name"].strip(), index=int(match["index"] or 0))
            gpus.append(whole)
        elif whole is not None:
            if whole in gpus:
                gpus.remove(whole)
            gpus.append(Gpu(match["id"], whole.name, index=whole.index))
    return gpus
