"""Memory: the peak of one forward, and a limit that turns "too much" into an error of one net."""

import gc
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

SHARE = 0.9
"""Of the memory that is free when a run starts, how much it may take on a CPU."""


@contextmanager
def memory_limit(device: torch.device) -> Iterator[None]:
    """Refuse, on a CPU under Linux, allocations beyond the free memory: else the system kills the whole run."""
    status, free = Path("/proc/self/status"), Path("/proc/meminfo")
    if device.type != "cpu" or not status.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _bytes(status, "VmData") + int(SHARE * _bytes(free, "MemAvailable"))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ended."""
    words = ("can't allocate memory", "out of memory", "bad_alloc", "bad allocation", "failed to allocate")
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in text for word in words)


def release(device: torch.device) -> None:
    """Give back what failed or finished steps held."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def peak_bytes(net: nn.Module, call: Callable[[], object], device: torch.device) -> int:
    """Return the weights' bytes plus the most that a call holds at one time, as torch's allocator counts it.

    Args:
        net: whose weights and buffers are counted.
        call: builds a step and makes it once, so that what a CUDA graph keeps is seen.
        device: of both.
    """
    weights = sum(tensor.numel() * tensor.element_size() for tensor in (*net.parameters(), *net.buffers()))
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return weights + torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    assert profiler.profiler is not None
    results = profiler.profiler.kineto_results
    assert results is not None
    held = peak = 0
    for event in sorted(results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return weights + peak


def _bytes(file: Path, key: str) -> int:
    lines = file.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024
