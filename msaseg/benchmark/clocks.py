"""What a device tells of itself beside a timing: driver, clocks, throttling; None where it does not."""

import subprocess
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

GPU = {
    "driver": "driver_version",
    "sm_mhz": "clocks.sm",
    "memory_mhz": "clocks.mem",
    "throttled": "clocks_event_reasons.active",
}
"""Key to the field of `nvidia-smi --help-query-gpu`."""
REASONS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat, by the driver",
    0x40: "heat, by the hardware",
    0x80: "power brake",
}
"""Bit to reason, of those that slow a busy GPU (nvml.h, `nvmlClocksEventReason*`)."""
CPUS, CPUINFO = Path("/sys/devices/system/cpu"), Path("/proc/cpuinfo")


def read_clocks(device: torch.device) -> dict[str, Any]:
    """Return what can be read now.

    Returns:
        Of a GPU the keys of `GPU`, `throttled` as a list of `REASONS`; of a CPU `governor`, `mhz` (mean over
        cores) and `throttle_events` (since the machine started, over all cores).
    """
    return _gpu(device) if device.type == "cuda" else _cpu()


def _gpu(device: torch.device) -> dict[str, Any]:
    uuid = torch.cuda.get_device_properties(device).uuid
    query = [f"--id=GPU-{uuid}", f"--query-gpu={','.join(GPU.values())}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(["nvidia-smi", *query], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return dict.fromkeys(GPU)
    driver, *words = (word.strip() for word in done.stdout.split(","))
    sm, memory, reasons = (_number(word) for word in words)
    slow = None if reasons is None else [reason for bit, reason in REASONS.items() if int(reasons) & bit]
    return dict(zip(GPU, (driver, sm, memory, slow), strict=True))


def _cpu() -> dict[str, Any]:
    governors = sorted({path.read_text().strip() for path in CPUS.glob("cpu[0-9]*/cpufreq/scaling_governor")})
    mhz = [float(path.read_text()) / 1000 for path in CPUS.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    mhz = mhz or [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    events = [int(path.read_text()) for path in CPUS.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    return {
        "governor": ", ".join(governors) or None,
        "mhz": round(fmean(mhz)) if mhz else None,
        "throttle_events": sum(events) if events else None,
    }


def _number(word: str) -> float | None:
    """Return a field of nvidia-smi; what it does not know it calls [N/A] or [Not Supported]."""
    try:
        return float(int(word, 16)) if word.startswith("0x") else float(word)
    except ValueError:
        return None
