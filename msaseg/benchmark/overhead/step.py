"""A training step of the suite over that of a plain loop."""

import copy
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from msaseg.benchmark.overhead.measurement import Measurement, ratios, rounded
from msaseg.benchmark.overhead.plain import now, plain_loop
from msaseg.benchmark.overhead.store import with_store
from msaseg.config import compose_run
from msaseg.data.dataset import Batch, Sample
from msaseg.records import provenance
from msaseg.training.module import SegmentationModule
from msaseg.training.run import fit
from msaseg.training.trainer import build, make_loggers, make_trainer


def measure_step(repeats: int, steps: int) -> tuple[Measurement, dict[str, Any]]:
    """Measure a training step of the suite over that of a plain loop; return the hardware too."""
    train = ((repeats + 1) * steps + 1) * 8
    config = compose_run(
        [
            *("protocol=laptop", "data/source@protocol.source=synthetic", "protocol.weights=none", "logger=csv"),
            *(f"protocol.source.train={train}", "protocol.batch_size=8", "protocol.epochs=1"),
        ]
    )
    pl.seed_everything(config.seed, verbose=False)
    data = with_store(config)
    module: SegmentationModule = build(config, "model")
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(config, Path(folder), make_loggers(config, Path(folder)), data)
        turns = Turns(data.train_dataloader(), steps)
        trainer.callbacks.append(turns)  # type: ignore[attr-defined]
        fit(trainer, module, data, None)
    suite, bare = turns.suite[1:], turns.bare[1:]  # the first turns warm up
    absolute = {
        "suite (ms a step)": 1000 * median(suite) / steps,
        "plain loop (ms a step)": 1000 * median(bare) / steps,
    }
    what = "training step over a plain PyTorch loop (laptop's net, 120x160, batch 8)"
    hardware = provenance.hardware(trainer.strategy.root_device, trainer.precision)
    return Measurement(what, "times", ratios(suite, bare), rounded(absolute), limit=1.05), hardware


class Turns(pl.Callback):
    """Between every `steps` batches of a fit, the plain loop makes as many steps on its own copy of the net.

    A turn of the suite ends where it began, at the start of a batch: reading, hooks, callbacks and logging of
    its batches all lie in it.
    """

    def __init__(self, loader: DataLoader[Sample], steps: int) -> None:
        self.loader, self.steps, self.resumed = loader, steps, 0.0
        self.suite: list[float] = []
        self.bare: list[float] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prepare the plain loop with the weights that the suite starts from."""
        assert isinstance(pl_module, SegmentationModule)
        net = copy.deepcopy(pl_module.net)
        self.loop = plain_loop(net, pl_module, self.loader, pl_module.device, "bf16" in trainer.precision)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """End the suite's turn and make one of the plain loop."""
        if batch_idx % self.steps:
            return
        paused = now(pl_module.device)
        if batch_idx:
            self.suite.append(paused - self.resumed)
            for _ in islice(self.loop, self.steps):
                pass
            self.bare.append(now(pl_module.device) - paused)
        self.resumed = time.perf_counter()
