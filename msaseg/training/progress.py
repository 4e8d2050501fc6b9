"""How far a run is, in one line: `epoch 2/6 · loss 1.13 · val mIoU 15.5 · 2 min left`."""

import logging
import shutil
import time
from typing import TextIO

import pytorch_lightning as pl
from pytorch_lightning.utilities.types import STEP_OUTPUT

from msaseg.cli.duration import duration
from msaseg.data.dataset import Batch
from msaseg.training.module import SegmentationModule

log = logging.getLogger(__name__)

REDRAW = 0.2
"""Seconds between two states of the line in a terminal."""


class Progress(pl.Callback):
    """Log a line after every epoch; in a terminal the line of the running epoch stands below them.

    Args:
        watched: what the part is called that is scored after an epoch: "val" or "test".
        terminal: where the running line is drawn; None: nowhere.
    """

    def __init__(self, watched: str, terminal: TextIO | None = None) -> None:
        self.watched, self.terminal = watched, terminal
        self._first: tuple[float, int] | None = None
        self._drawn = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell how the epoch before went; its sums are complete only now."""
        assert isinstance(pl_module, SegmentationModule)
        last = {key: series[-1] for key, series in pl_module.history.items()}
        if "train/loss" not in last:
            return
        epoch, loss = last["train/loss"]
        line = [f"epoch {epoch:.0f}/{trainer.max_epochs}", f"loss {loss:#.3g}"]
        if last.get("val/miou_pct", [0])[0] == epoch:
            line.append(f"{self.watched} mIoU {last['val/miou_pct'][1]:.1f}")
        self._clear()
        log.info(" · ".join(line + self._left(trainer)))

    on_train_end = on_train_epoch_start

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Draw the running epoch, with its mean loss so far."""
        self._first = self._first or (time.monotonic(), trainer.global_step)  # the first step warms up: not counted
        if self._is_due():
            assert isinstance(pl_module, SegmentationModule)
            loss = (pl_module._train_loss / (batch_idx + 1)).item()
            of = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self._draw([of, f"step {batch_idx + 1}/{trainer.num_training_batches}", f"loss {loss:#.3g}"], trainer)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw how far the test is."""
        if self._is_due():
            self._draw([f"test {batch_idx + 1}/{trainer.num_test_batches[0]}"])

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave an empty line to what is told next."""
        self._clear()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave an empty line to what is told of it."""
        self._clear()

    def _left(self, trainer: pl.Trainer) -> list[str]:
        """Return what remains of the training, from the pace since the first step of this sitting."""
        remaining = int(trainer.estimated_stepping_batches) - trainer.global_step
        if self._first is None or trainer.global_step == self._first[1] or not remaining:
            return []
        pace = (time.monotonic() - self._first[0]) / (trainer.global_step - self._first[1])
        return [f"{duration(pace * remaining)} left"]

    def _is_due(self) -> bool:
        return self.terminal is not None and time.monotonic() - self._drawn > REDRAW

    def _draw(self, line: list[str], trainer: pl.Trainer | None = None) -> None:
        assert self.terminal is not None
        text = " · ".join(line + (self._left(trainer) if trainer else []))
        self.terminal.write(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}")
        self.terminal.flush()
        self._drawn = time.monotonic()

    def _clear(self) -> None:
        if self.terminal is not None:
            self.terminal.write("\r\033[K")
            self.terminal.flush()
