"""A training step in bf16 over the same step in float32, on the CPU: the numbers behind `protocol.cpu_precision`."""

import copy
import time
from collections.abc import Iterator
from itertools import islice
from statistics import median

import pytorch_lightning as pl
import torch

from msaseg.benchmark.overhead.measurement import Measurement, ratios, rounded
from msaseg.benchmark.overhead.plain import plain_loop
from msaseg.config import compose_run
from msaseg.data.dataset import Batch
from msaseg.training.module import SegmentationModule
from msaseg.training.trainer import build

CPU = torch.device("cpu")
MOST_STEPS = {"paper": 1, "laptop": 10}  # a turn: a step of VGG16 takes seconds
LEFT_OUT = "bf16 over float32, because this CPU does not compute in bf16 (no avx512_bf16)"


def measure_bf16(protocol: str, repeats: int, steps: int) -> Measurement:
    """Measure a step of MSANet in bf16 over one in float32, on the CPU.

    Args:
        protocol: whose encoder, size, batch and optimizer are taken; weights are random.
        repeats: pairs of turns.
        steps: a turn; fewer if `MOST_STEPS` says so.
    """
    steps = min(steps, MOST_STEPS[protocol])
    config = compose_run([f"protocol={protocol}", "protocol.weights=none"])
    pl.seed_everything(config.seed, verbose=False)
    module: SegmentationModule = build(config, "model")
    count, (height, width) = config.protocol.batch_size, config.protocol.size
    batch: Batch = {  # noise: what the pixels show costs no time
        "image": torch.randint(256, (count, 3, height, width), dtype=torch.uint8),
        "label": torch.randint(config.protocol.num_classes, (count, height, width), dtype=torch.uint8),
        "name": ["noise"] * count,
    }
    nets = [copy.deepcopy(module.net).train() for _ in range(2)]
    batches = [batch] * ((repeats + 1) * steps)
    loops = [plain_loop(net, module, batches, CPU, bf16) for net, bf16 in zip(nets, (True, False), strict=True)]
    turns = [[_seconds_a_step(loop, steps) for loop in loops] for _ in range(repeats + 1)]
    bf16, float32 = zip(*turns[1:], strict=True)  # the first turns warm up
    net = f"{protocol}'s MSANet, {height}x{width}, batch {count}"
    absolute = {"bf16 (ms a step)": 1000 * median(bf16), "float32 (ms a step)": 1000 * median(float32)}
    what = f"training step in bf16 over float32 on the CPU ({net})"
    return Measurement(what, "times", ratios(bf16, float32), rounded(absolute))


def _seconds_a_step(loop: Iterator[None], steps: int) -> float:
    started = time.perf_counter()
    for _ in islice(loop, steps):
        pass
    return (time.perf_counter() - started) / steps
