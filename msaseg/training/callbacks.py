"""What happens beside a run: the loss is watched, a few predictions are shown."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch import Tensor
from torch.optim.swa_utils import update_bn

from msaseg.cli.errors import UserError
from msaseg.data.datamodule import CamVidDataModule
from msaseg.data.dataset import Batch
from msaseg.training.logger import Prediction, wandb_of
from msaseg.training.module import SegmentationModule


class AveragedWeights(EMAWeightAveraging):
    """Average the weights over the steps; the net has the average as soon as training is over."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Keep the average where the net will be; Lightning's own would keep a GPU's in the host's memory."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give it to the net also where there was nothing left to train, and exchange the two no more."""
        self._copy_average_to_current(pl_module)
        self._average_model = None


def estimate_statistics(module: SegmentationModule, data: CamVidDataModule, trainer: pl.Trainer) -> None:
    """Estimate what batch normalisation needs for averaged weights: what was gathered in training is of others.

    One pass over the training frames, in the order and augmentation of the epoch after the last, as Izmailov et al.
    2018 (Averaging Weights Leads to Wider Optima and Better Generalization, section 3.2) say. Each of several
    processes makes all of it. Layers of parts that only training uses are reset.
    """
    assert trainer.max_epochs is not None
    device = trainer.strategy.root_device
    torch.manual_seed(data.seed)  # of dropout: the same in a run that was broken off after its last epoch
    batches = data.train_epochs(trainer.max_epochs, divided=False)
    with trainer.precision_plugin.forward_context():
        update_bn((data.transfer_batch_to_device(batch, device, 0)["image"] for batch in batches), module.to(device))


class LossWatch(pl.Callback):
    """Stop at a loss that is not finite, naming step and files.

    The loss of a step is looked at when the next one has been queued, so a GPU is never waited for.

    Raises:
        UserError: the loss, or at an epoch's end a weight, became NaN or infinite.
    """

    def __init__(self) -> None:
        self._pending: tuple[int, Tensor, list[str]] | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: STEP_OUTPUT, batch: Batch, batch_idx: int
    ) -> None:
        """Look at the previous step's loss and put this one's aside."""
        assert isinstance(outputs, Mapping)
        self._look(trainer)
        self._pending = (trainer.global_step, outputs["loss"].detach(), list(batch["name"]))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the last loss, and at what its step made of the weights, before the checkpoint is written."""
        self._look(trainer)
        tensors = [value for value in pl_module.state_dict().values() if value.is_floating_point()]
        if not torch.stack([value.isfinite().all() for value in tensors]).all():
            raise UserError(
                f"the weights are no numbers any more after step {trainer.global_step}; "
                f"lower the rate (model.lr, model.encoder_lr)"
            )

    def _look(self, trainer: pl.Trainer) -> None:
        if self._pending is None:
            return
        (step, loss, names), self._pending = self._pending, None
        loss = trainer.strategy.reduce(loss, reduce_op="mean")  # of all processes: they stop together
        if not torch.isfinite(loss):
            names = _of_all(names, trainer.world_size)
            raise UserError(
                f"the loss became {loss.item()} at step {step} on the frames {', '.join(names)}; "
                f"lower the rate (model.lr, model.encoder_lr) or look at these frames"
            )


class OwnNumbers(pl.Callback):
    """Give each of several processes random numbers of its own, drawn from (seed, epoch, rank).

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed torch; a run that goes on from a checkpoint draws what an unbroken one draws."""
        drawn = np.random.SeedSequence((self.seed, trainer.current_epoch, trainer.global_rank))
        torch.manual_seed(int(drawn.generate_state(1)[0]))


class LastLook(pl.Callback):
    """Validate after the last epoch too, also where the epochs are no multiple of those between two looks."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the last epoch end in a look."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1


def _of_all(names: list[str], world_size: int) -> list[str]:
    if world_size == 1:
        return names
    found: list[list[str]] = [[]] * world_size
    torch.distributed.all_gather_object(found, names)
    return [name for part in found for name in part]


class PredictionPanel(pl.Callback):
    """Send the per-class IoU and four labelled predictions, evenly spread over the test split, to W&B."""

    images = 4

    def __init__(self) -> None:
        self._shown: list[Prediction] = []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Batch,
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
        for logger in wandb_of(trainer.loggers):
            logger.log_test(pl_module.results["test"], pl_module.classes, self._shown)
        self._shown = []
