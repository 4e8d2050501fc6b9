"""A run's views while it runs. The record is the truth: what goes wrong with W&B is said once and costs seconds."""

import logging
import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from lightning_fabric.loggers.logger import _DummyExperiment as DummyExperiment
from lightning_fabric.loggers.logger import rank_zero_experiment
from omegaconf import DictConfig
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from msaseg.training.wandb_mode import LATER, PATIENCE, choose_mode

log = logging.getLogger(__name__)

FINISH = 10
"""Seconds that a server has to take in the rest of a run."""


class Prediction(NamedTuple):
    """One scored image.

    Shape:
        image: (h, w, 3) uint8 RGB at the net's input size.
        predicted, truth: (H, W) class indices at the label's size; 255 in `truth` is not scored.
    """

    name: str
    image: npt.NDArray[np.uint8]
    predicted: npt.NDArray[np.int64]
    truth: npt.NDArray[np.uint8]


class RunLogger(WandbLogger):
    """Lightning's W&B logger, offline without an account, that never ends a run.

    Without a network, or with a refused key, it says so in one line and logs offline. After any other failure
    (no disk) it says so and stays silent.

    Args:
        project: W&B project.
        group: the table that the run fills.
        name: row and seed.
        tags: table, row, protocol, net.
        id: of the run; the same run resumed goes on under it.
        save_dir: where the files go.
    """

    def __init__(self, project: str, group: str, name: str, tags: Sequence[str], id: str, save_dir: str | Path) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")  # `how_to_watch` says in a line what it says in thirty
        import wandb

        self.broken = False
        Path(save_dir).mkdir(parents=True, exist_ok=True)
        mode, fault = choose_mode()
        if fault is not None:
            _left_for_later(fault)
        super().__init__(
            project=project,
            group=group,
            name=name,
            tags=list(tags),
            id=id,
            resume="allow" if mode == "online" else None,
            save_dir=str(save_dir),
            offline=mode != "online",
            mode=mode,
            job_type="train",
            settings=_limits() if mode == "online" else wandb.Settings(),
        )
        self._wandb_init.pop("anonymous", None)  # Lightning's default, of which W&B 0.31 warns

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:  # noqa: ANN401 - W&B's run, or Lightning's stand-in that ignores every call
        """Open the W&B run on first use; after a failure, an object that takes every call and does nothing."""
        if not self.broken:
            try:
                return super().experiment
            except Exception as error:  # whatever W&B raises, the run goes on
                if not self._offline:
                    return self._offline_instead(error)
                self._give_up(error)
        return DummyExperiment()

    def _offline_instead(self, error: Exception) -> Any:  # noqa: ANN401 - as above
        import wandb

        _left_for_later(_reason(error))
        self._offline = True
        self._wandb_init |= {"mode": "offline", "resume": None, "settings": wandb.Settings()}
        return self.experiment

    def _give_up(self, error: Exception) -> None:
        self.broken = True
        log.warning("W&B failed and is left out of this run (%s)", _reason(error))

    def _forgiving(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if self.broken:
            return
        try:
            call(*args, **kwargs)
        except Exception as error:  # as above
            self._give_up(error)

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the parent's signature
        """Log numbers at a step."""
        self._forgiving(super().log_metrics, *args, **kwargs)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the parent's signature
        """Log the resolved configuration."""
        self._forgiving(super().log_hyperparams, *args, **kwargs)

    def finalize(self, status: str) -> None:
        """Upload what is due at the end of a stage."""
        self._forgiving(super().finalize, status)

    @property
    def url(self) -> str | None:
        """Address of the run, if it is online."""
        import wandb

        return None if wandb.run is None or wandb.run.offline else wandb.run.url

    @property
    def folder(self) -> str | None:
        """Where W&B keeps its own copy of the run, if it runs."""
        import wandb

        return None if wandb.run is None else wandb.run.settings.sync_dir

    def finish(self, failed: bool) -> None:
        """Close the W&B run with its exit code, so that a sweep is not one run; a lost server is not waited for."""
        import wandb

        folder = self.folder
        if folder is None:
            return
        try:
            wandb.finish(exit_code=int(failed))
        except Exception as error:  # as above
            if isinstance(error, TimeoutError) and not self.broken:
                message = "W&B did not take in all of this run in %d s: `wandb sync %s` sends the rest later"
                log.warning(message, FINISH, folder)
            elif not self.broken:
                self._give_up(error)

    def log_test(self, result: dict[str, Any], classes: Sequence[str], predictions: Sequence[Prediction]) -> None:
        """Log a table of IoU per class and the predictions with their masks.

        Args:
            result: the test scores (`msaseg.training.metrics.scores`).
            classes: names of the labels 0, 1, ...
            predictions: images to show.
        """
        self._forgiving(self._log_test, result, classes, predictions)

    def _log_test(self, result: dict[str, Any], classes: Sequence[str], predictions: Sequence[Prediction]) -> None:
        import wandb

        rows = [[name, result["iou_pct"][name], result["recall_pct"][name]] for name in classes]
        table = wandb.Table(columns=["class", "iou_pct", "recall_pct"], data=rows)
        shares = [[100 * cell / max(1, sum(row)) for cell in row] for row in result["confusion"]]
        confusion = [[name, *row] for name, row in zip(classes, shares, strict=True)]
        labels = dict(enumerate(classes)) | {255: "not scored"}
        self.experiment.log(
            {
                "test/iou_per_class": table,
                "test/confusion": wandb.Table(columns=["truth", *classes], data=confusion),
                "test/predictions": [_overlay(prediction, labels) for prediction in predictions],
            }
        )


def wandb_of(loggers: Iterable[Logger]) -> list[RunLogger]:
    """Return those that write to W&B."""
    return [logger for logger in loggers if isinstance(logger, RunLogger)]


def log_printed(loggers: Iterable[Logger], config: DictConfig, epoch: int) -> None:
    """Log to W&B what the paper prints in the run's row: at the first and at the last epoch it makes a line."""
    rows = config.table.get("rows") or {}
    printed = (rows.get(config.row) or {}).get("paper") or {}
    numbers = {f"printed/{column}": float(value) for column, value in printed.items() if isinstance(value, int | float)}
    for logger in wandb_of(loggers) if numbers else ():
        logger.log_metrics(numbers | {"epoch": epoch})


def how_to_watch(logger: Logger) -> str:
    """Return one line that says where a logger's curves are and how to see them; the logger is open."""
    where = ""
    if isinstance(logger, RunLogger):
        where = logger.url or (f"wandb leet run {shlex.quote(logger.folder)}" if logger.folder else "")
    elif isinstance(logger, TensorBoardLogger):
        where = f"tensorboard --logdir {shlex.quote(str(logger.log_dir))}"
    elif isinstance(logger, CSVLogger):
        where = f"{logger.log_dir}/metrics.csv"
    return f"curves: {where or 'none'}"


def _limits() -> Any:  # noqa: ANN401 - wandb ships no types
    """Return how long a server is waited for; a run that is logged offline waits for none, however busy the machine."""
    import wandb

    return wandb.Settings(init_timeout=PATIENCE, finish_timeout=FINISH, finish_timeout_raises=True)


def _left_for_later(reason: str) -> None:
    log.warning("W&B is left for later (%s): this run is logged offline; %s", reason, LATER)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _overlay(prediction: Prediction, labels: dict[int, str]) -> Any:  # noqa: ANN401 - wandb ships no types
    import wandb

    height, width = prediction.truth.shape
    image = cv2.resize(prediction.image, (width, height), interpolation=cv2.INTER_LINEAR)
    masks = {
        "prediction": {"mask_data": prediction.predicted.astype(np.uint8), "class_labels": labels},
        "truth": {"mask_data": prediction.truth, "class_labels": labels},
    }
    return wandb.Image(image, masks=masks, caption=prediction.name)
