"""What happens beside a run: the loss is watched, a few predictions are shown."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from msaseg.cli.errors import UserError
from msaseg.training.logger import Prediction, RunLogger
from msaseg.training.module import SegmentationModule

log = logging.getLogger(__name__)


class LossWatch(pl.Callback):
    """Stop at a loss that is not finite, naming step and files.

    The loss of a step is looked at when the next one has been queued, so a GPU is never waited for.

    Raises:
        UserError: the loss, or at an epoch's end a weight, became NaN or infinite.
    """

    def __init__(self) -> None:
        self._pending: tuple[int, Tensor, list[str]] | None = None

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Look at the previous step's loss and put this one's aside."""
        self._look()
        self._pending = (trainer.global_step, outputs["loss"].detach(), list(batch["name"]))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the last loss, and at what its step made of the weights, before the checkpoint is written."""
        self._look()
        tensors = [value for value in pl_module.state_dict().values() if value.is_floating_point()]
        if not torch.stack([value.isfinite().all() for value in tensors]).all():
            raise UserError(
                f"the weights are no numbers any more after step {trainer.global_step}; "
                f"lower the rate (model.lr, model.encoder_lr)"
            )

    def _look(self) -> None:
        if self._pending is None:
            return
        (step, loss, names), self._pending = self._pending, None
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss became {loss.item()} at step {step} on the frames {', '.join(names)}; "
                f"lower the rate (model.lr, model.encoder_lr) or look at these frames"
            )


class LastLook(pl.Callback):
    """Validate after the last epoch too, also where the epochs are no multiple of those between two looks."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the last epoch end in a look."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1


class EpochLine(pl.Callback):
    """Log one line an epoch, where no progress bar can be seen: in a file, under a sweep."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell how the epoch before went; its sums are complete only now."""
        self._tell(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell how the last epoch went."""
        self._tell(trainer, pl_module)

    def _tell(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, SegmentationModule)
        last = {key: series[-1] for key, series in module.history.items() if key != "train/step_loss"}
        if "train/loss" not in last:
            return
        epoch = last["train/loss"][0]
        values = [f"{key} {value:.4g}" for key, (of, value) in last.items() if of == epoch and "class_" not in key]
        log.info("epoch %d/%d: %s", epoch, trainer.max_epochs or 0, ", ".join(values))


class PredictionPanel(pl.Callback):
    """Send the per-class IoU and a few labelled predictions of the test split to W&B.

    Args:
        images: how many test images, evenly spread over the split.
    """

    def __init__(self, images: int = 4) -> None:
        self.images = images
        self._shown: list[Prediction] = []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the first image of every batch that is due."""
        batches = max(1, int(trainer.num_test_batches[0]))
        stride = max(1, batches // self.images)
        if batch_idx % stride == 0 and len(self._shown) < self.images:
            image = batch["image"][0].permute(1, 2, 0).cpu().numpy()
            self._shown.append(
                Prediction(batch["name"][0], image, outputs[0].cpu().numpy(), batch["label"][0].cpu().numpy())
            )

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log what was kept."""
        assert isinstance(pl_module, SegmentationModule)
        for logger in trainer.loggers:
            if isinstance(logger, RunLogger):
                logger.log_test(pl_module.results["test"], pl_module.classes, self._shown)
        self._shown = []
