"""A training step on the CPU with what the suite does about precision and memory over the same step without it."""

import copy
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from statistics import median

import pytorch_lightning as pl
import torch

from msaseg.benchmark.overhead.measurement import Measurement, ratios, rounded
from msaseg.benchmark.overhead.plain import plain_loop
from msaseg.config import compose_run
from msaseg.data.dataset import Batch
from msaseg.training.memory import keep_freed_memory
from msaseg.training.module import SegmentationModule
from msaseg.training.trainer import build

CPU = torch.device("cpu")
MOST_STEPS = {"paper": 1, "laptop": 10}  # a turn: a step of VGG16 takes seconds
LEFT_OUT = "steps in bf16, because this CPU does not compute in bf16 (no avx512_bf16)"


def measure_bf16(protocol: str, repeats: int, steps: int) -> Measurement:
    """Measure a step of MSANet in bf16 over one in float32, on the CPU.

    Args:
        protocol: whose encoder, size, batch and optimizer are taken; weights are random.
        repeats: pairs of turns.
        steps: a turn; fewer if `MOST_STEPS` says so.
    """
    steps = min(steps, MOST_STEPS[protocol])
    module, batch, net = _untrained(f"protocol={protocol}")
    nets = [copy.deepcopy(module.net).train() for _ in range(2)]
    batches = [batch] * ((repeats + 1) * steps)
    loops = [plain_loop(net, module, batches, CPU, bf16) for net, bf16 in zip(nets, (True, False), strict=True)]
    turns = [[_seconds_a_step(loop, steps) for loop in loops] for _ in range(repeats + 1)]
    bf16, float32 = zip(*turns[1:], strict=True)  # the first turns warm up
    absolute = {"bf16 (ms a step)": 1000 * median(bf16), "float32 (ms a step)": 1000 * median(float32)}
    what = f"training step in bf16 over float32 on the CPU ({protocol}'s MSANet, {net})"
    return Measurement(what, "times", ratios(bf16, float32), rounded(absolute))


def measure_kept_memory(repeats: int, *overrides: str) -> Measurement:
    """Measure a step of FCN-8 that keeps freed memory over one that gives it back, in a process each, in bf16.

    Args:
        repeats: pairs of turns, a step each.
        *overrides: of the configuration; none: the FCN-8 of `paper`.
    """
    context = get_context("spawn")  # how memory is kept holds for a whole process
    with ExitStack() as sides:
        kept, given_back = (
            sides.enter_context(ProcessPoolExecutor(1, context, _start_fcn8, (keeps, repeats + 2, overrides)))
            for keeps in (True, False)
        )
        turns = [[side.submit(_step_of_fcn8).result() for side in (kept, given_back)] for _ in range(repeats + 2)]
    kept_s, given_back_s = zip(*turns[2:], strict=True)  # the first turns warm up
    absolute = {"kept (ms a step)": 1000 * median(kept_s), "given back (ms a step)": 1000 * median(given_back_s)}
    what = "training step with freed memory kept over given back, on the CPU in bf16 (paper's FCN-8)"
    return Measurement(what, "times", ratios(kept_s, given_back_s), rounded(absolute))


_fcn8: Iterator[None]
"""The training of a process that `measure_kept_memory` started."""


def _start_fcn8(keeps: bool, steps: int, overrides: tuple[str, ...]) -> None:
    global _fcn8
    if keeps:
        keep_freed_memory()
    module, batch, _ = _untrained("protocol=paper", "model=fcn8_vgg16", *overrides)
    _fcn8 = plain_loop(module.net.train(), module, [batch] * steps, CPU, True)


def _step_of_fcn8() -> float:
    return _seconds_a_step(_fcn8, 1)


def _untrained(*overrides: str) -> tuple[SegmentationModule, Batch, str]:
    """Return a module with random weights, a batch of noise (what pixels show costs no time), and its size in words."""
    config = compose_run([*overrides, "protocol.weights=none"])
    pl.seed_everything(config.seed, verbose=False)
    module: SegmentationModule = build(config, "model")
    count, (height, width) = config.protocol.batch_size, config.protocol.size
    batch: Batch = {
        "image": torch.randint(256, (count, 3, height, width), dtype=torch.uint8),
        "label": torch.randint(config.protocol.num_classes, (count, height, width), dtype=torch.uint8),
        "name": ["noise"] * count,
    }
    return module, batch, f"{height}x{width}, batch {count}"


def _seconds_a_step(loop: Iterator[None], steps: int) -> float:
    started = time.perf_counter()
    for _ in islice(loop, steps):
        pass
    return (time.perf_counter() - started) / steps
