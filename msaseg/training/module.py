"""One LightningModule for every net: it trains and scores, and knows no net by name."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics.classification import MulticlassConfusionMatrix

from msaseg.classes import CLASSES, IGNORE
from msaseg.cli.errors import UserError
from msaseg.data.dataset import Batch
from msaseg.nets.net import SegmentationNet
from msaseg.training import inference
from msaseg.training.losses import SegmentationLoss
from msaseg.training.metrics import confusion_matrix, frame_matrices, scores

STEP_LOSSES = 200
"""About how many losses of single steps the history holds, `train/step_loss`."""


class AuxiliaryLoss(NamedTuple):
    """The loss of one auxiliary output of a net, and its weight in the sum."""

    loss: nn.Module
    weight: float


class SegmentationModule(pl.LightningModule):
    """Train a net by cross entropy on its logits, or by another loss, and score it at the labels' own resolution.

    Args:
        name: of the net; the row of a run outside any table.
        net: what is trained.
        num_classes: C, 12 with void scored, 11 without.
        optimizer: partial; called with one parameter group a learning rate, each with its `lr`.
        lr: of every parameter that is not pretrained.
        encoder_lr: of the pretrained ones: `net.encoder`, if weights were loaded into it.
        schedule: partial; called with the optimizer and `total_iters`, the steps of the whole training, and stepped
            after every batch; None keeps the rates.
        auxiliary: loss and weight of each auxiliary output that the net may have.
        loss: of the logits, in training and in `val/loss`; None is `SegmentationLoss()`.

    Attributes:
        history: curve by key, `stage/name`: [epoch, value], or [step, value] of `train/step_loss`.
        results: latest scores (`metrics.scores`) of each stage, with the `confusion` matrix.
        frame_matrices: confusion matrix of each frame that was tested, by its name.

    Source: paper, section 3.2 (categorical cross entropy, Adam).
    """

    def __init__(
        self,
        name: str,
        net: SegmentationNet,
        num_classes: int,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        lr: float,
        encoder_lr: float,
        schedule: Callable[..., LRScheduler] | None = None,
        auxiliary: Mapping[str, AuxiliaryLoss] | None = None,
        loss: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.net = net.to(memory_format=torch.channels_last)
        self.classes = CLASSES[:num_classes]
        self.optimizer = optimizer
        self.lr, self.encoder_lr = lr, encoder_lr
        self.schedule = schedule
        self.loss = SegmentationLoss() if loss is None else loss
        self.auxiliary = {key: value for key, value in (auxiliary or {}).items() if key in net.auxiliaries}
        self.confusion = nn.ModuleDict(
            {f"{stage}_matrix": confusion_matrix(num_classes) for stage in ("train", "val", "test")}
        )
        self.history: dict[str, list[list[float]]] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.frame_matrices: dict[str, NDArray[np.uint32]] = {}
        self._step_losses: list[tuple[int, Tensor]] = []
        self._epoch_start = 0.0

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: Path | str,
        map_location: torch.device | str | None = None,
        **_: Any,  # noqa: ANN401 - Lightning's own
    ) -> Self:
        """Reopen a checkpoint that a run left, without its configuration, data, weights file or network.

        Args:
            checkpoint_path: of the file, or the name of published weights.
            map_location: device of the weights; None is the CPU.
            **_: Lightning's further arguments have no meaning here.

        Raises:
            UserError: the file cannot be used.
        """
        from msaseg.training.reopened import reopened

        return reopened(checkpoint_path, map_location, cls)

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, 3, h, w) to float32 logits (N, C, h, w)."""
        return inference.logits(self.net, images)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted sum of the losses of one batch."""
        images, labels = inference.unit_range(batch["image"]), batch["label"].long()
        logits, extra = self.net.all_outputs(images) if self.auxiliary else (self.net(images), {})
        loss: Tensor = self.loss(logits, labels)
        self._matrix("train").update(logits.detach().argmax(1), labels)
        self._train_loss += loss.detach()
        for key, (auxiliary_loss, weight) in self.auxiliary.items():
            loss = loss + weight * auxiliary_loss(extra[key], labels)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one batch of the validation split."""
        labels = batch["label"].long()
        logits = self._logits_of(batch)
        self._matrix("val").update(logits.argmax(1), labels)
        counted = (labels != IGNORE).sum()
        self._val_loss += torch.stack([self.loss(logits, labels) * counted, counted])

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Score one batch of the test split; return the predicted classes (N, H, W)."""
        predicted = self.predict_scored(batch)
        self._matrix("test").update(predicted, batch["label"].long())
        return predicted

    def predict_scored(self, batch: Batch) -> Tensor:
        """Return the predicted classes (N, H, W) of a batch, and keep the confusion matrix of each frame."""
        predicted = self._logits_of(batch).argmax(1)
        matrices = frame_matrices(predicted, batch["label"].long(), len(self.classes))
        self.frame_matrices |= zip(batch["name"], matrices.cpu().numpy().astype(np.uint32), strict=True)
        return predicted

    def _logits_of(self, batch: Batch) -> Tensor:
        """Return the logits (N, C, H, W) of a batch at its labels' own size."""
        return inference.upsampled(self(batch["image"]), batch["label"].shape[-2:])

    def _matrix(self, stage: str) -> MulticlassConfusionMatrix:
        matrix = self.confusion[f"{stage}_matrix"]
        assert isinstance(matrix, MulticlassConfusionMatrix)
        return matrix

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock and sums."""
        self._epoch_start = time.perf_counter()
        self._train_loss = torch.zeros((), device=self.device)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:  # noqa: ANN401 - Lightning's
        """Put the loss of a step that is due aside: a GPU is waited for at the epoch's end alone."""
        step = self.trainer.global_step
        if step == 1 or step % max(1, int(self.trainer.estimated_stepping_batches) // STEP_LOSSES) == 0:
            self._step_losses.append((step, outputs["loss"].detach()))

    def _mean(self, loss: Tensor) -> Tensor:
        """Return the mean over the processes of the run."""
        mean = self.trainer.strategy.reduce(loss, reduce_op="mean")
        assert isinstance(mean, Tensor)
        return mean

    def on_train_epoch_end(self) -> None:
        """Log the epoch's loss, scores and seconds."""
        points = [[step, round(float(self._mean(loss)), 6)] for step, loss in self._step_losses]
        self.history.setdefault("train/step_loss", []).extend(points)
        self._step_losses.clear()
        batches = max(1, self.trainer.num_training_batches)
        self._note("train/loss", float(self._mean(self._train_loss / batches)))
        self._note("train/seconds", time.perf_counter() - self._epoch_start)
        self._finish("train")

    def on_validation_epoch_start(self) -> None:
        """Start the sums of the losses and of the pixels that count."""
        self._val_loss = torch.zeros(2, device=self.device)

    def on_validation_epoch_end(self) -> None:
        """Log the loss, a mean over all pixels that count, and the validation scores."""
        total, counted = self.trainer.strategy.reduce(self._val_loss, reduce_op="sum").tolist()
        self._note("val/loss", total / max(1.0, counted))
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Keep and log the test scores."""
        self._finish("test")
        self.gather_frames()

    def gather_frames(self) -> None:
        """Have every process know the matrices of the frames that the others scored."""
        if self.trainer.world_size > 1:
            found: list[dict[str, NDArray[np.uint32]]] = [{}] * self.trainer.world_size
            torch.distributed.all_gather_object(found, self.frame_matrices)
            self.frame_matrices = {name: matrix for part in found for name, matrix in part.items()}

    def _finish(self, stage: str) -> None:
        matrix = self._matrix(stage)
        confusion = matrix.compute().cpu()
        matrix.reset()
        self.results[stage] = {**scores(confusion, self.classes), "confusion": confusion.tolist()}
        for key in ("miou_pct", "class_accuracy_pct", "pixel_accuracy_pct"):
            value = self.results[stage][key]
            if value is not None:
                self._note(f"{stage}/{key}", value)

    def _note(self, key: str, value: float) -> None:
        self.log(key, value)
        self._append(key, value)

    def _append(self, key: str, value: float) -> None:
        if self.trainer.state.fn == TrainerFn.FITTING:  # a score taken after training is no point of a curve
            self.history.setdefault(key, []).append([self.current_epoch + 1, round(value, 6)])

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own union of ten types
        """Give pretrained parameters their own rate, and step the schedule after every batch.

        Raises:
            UserError: optimizer or schedule does not take an argument of its configuration.
        """
        pretrained = self.net.pretrained_parameters()
        known = {id(parameter) for parameter in pretrained}
        fresh = [parameter for parameter in self.net.parameters() if id(parameter) not in known]
        groups = [{"params": fresh, "lr": self.lr}, {"params": pretrained, "lr": self.encoder_lr}]
        with _refused_as("protocol.optimizer"):
            optimizer = self.optimizer([group for group in groups if group["params"]])
        fuse(optimizer)
        if self.schedule is None:
            return optimizer
        with _refused_as("protocol.schedule"):
            schedule = self.schedule(optimizer, total_iters=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add history, latest results and the state of the random numbers: plain types and tensors."""
        state = {"history": self.history, "results": self.results, "rng": _rng_state()}
        checkpoint.setdefault("msaseg", {}).update(state)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take history, results and random numbers up where they were; the oldest checkpoints hold no results."""
        self.history = checkpoint["msaseg"]["history"]
        self.results = checkpoint["msaseg"].get("results", {})
        for device, state in checkpoint["msaseg"]["rng"].items():
            torch.set_rng_state(state.cpu()) if device == "cpu" else torch.cuda.set_rng_state(state.cpu())


def fuse(optimizer: Optimizer) -> None:
    """Have an optimizer update in one pass over memory if PyTorch can and its configuration does not say."""
    for group in optimizer.param_groups:
        if group.get("fused", False) is None:
            group["fused"] = True


@contextmanager
def _refused_as(key: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}: {error}") from error


def _rng_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state
