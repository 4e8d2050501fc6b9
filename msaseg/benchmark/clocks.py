"""What a device tells of itself beside a timing: driver, clocks, throttling; None where it tells nothing."""

import subprocess
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

CPUS, CPUINFO = Path("/sys/devices/system/cpu"), Path("/proc/cpuinfo")
SLOWED = ("sw_power_cap", "hw_slowdown", "sw_thermal_slowdown")
FIELDS = ("driver_version", "clocks.sm", "clocks.mem", *(f"clocks_event_reasons.{reason}" for reason in SLOWED))
"""Of `nvidia-smi --help-query-gpu`."""


def read_clocks(device: torch.device) -> dict[str, Any]:
    """Return what can be read now.

    Returns:
        Of a GPU the words of nvidia-smi for `FIELDS`; of a CPU `governor`, `mhz` (mean over cores) and
        `throttle_count` (since the machine started, over all cores).
    """
    return _gpu(device) if device.type == "cuda" else _cpu()


def _gpu(device: torch.device) -> dict[str, Any]:
    chosen = f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}"
    command = ["nvidia-smi", chosen, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return dict.fromkeys(FIELDS)
    words = done.stdout.strip().split(", ")
    return {field: None if word.startswith("[") else word for field, word in zip(FIELDS, words, strict=True)}


def _cpu() -> dict[str, Any]:
    governors = _lines("cpufreq/scaling_governor")
    mhz = [float(line) / 1000 for line in _lines("cpufreq/scaling_cur_freq")]
    known = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    mhz = mhz or [float(line.partition(":")[2]) for line in known if line.startswith("cpu MHz")]
    counts = [int(line) for line in _lines("thermal_throttle/core_throttle_count")]
    return {
        "governor": ", ".join(sorted(set(governors))) or None,
        "mhz": round(fmean(mhz)) if mhz else None,
        "throttle_count": sum(counts) if counts else None,
    }


def _lines(file: str) -> list[str]:
    return [path.read_text().strip() for path in CPUS.glob(f"cpu[0-9]*/{file}")]
