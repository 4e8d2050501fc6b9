"""The checkpoints of one run: two to resume from, and the weights that remain."""

import io
import logging
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from msaseg.cli.errors import UserError
from msaseg.data.datamodule import CamVidDataModule
from msaseg.records.files import write_whole
from msaseg.training.intact import DamagedError, read_intact

SHARE = 0.1
"""Of the time of a run that checkpoints to resume from may take."""
CHEAP = 0.3
"""Seconds: one that is written in less is written after every epoch."""

log = logging.getLogger(__name__)


def resume_folder(run_dir: Path) -> Path:
    """Return where the checkpoints to resume from lie."""
    return run_dir / "checkpoints"


def best_folder(run_dir: Path) -> Path:
    """Return where the weights of the best epoch lie until the run is recorded."""
    return run_dir / "best"


def remove(run_dir: Path) -> None:
    """Delete both: the run is finished."""
    for folder in (resume_folder(run_dir), best_folder(run_dir)):
        shutil.rmtree(folder, ignore_errors=True)


class Movable(ModelCheckpoint):
    """A callback that goes on in a folder that was moved; Lightning's own forgets what it has written."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state up, with the files where this run looks for them."""
        here = {name: self._here(state_dict[name]) for name in ("best_model_path", "kth_best_model_path")}
        best = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | here | {"dirpath": self.dirpath, "best_k_models": best})

    def _here(self, path: str) -> str:
        assert self.dirpath is not None
        return str(Path(self.dirpath) / Path(path).name) if path else path


class ResumePoints(Movable):
    """Write a checkpoint after an epoch and keep the last two: one may be cut off while it is written.

    A fast GPU would wait for the files of a large net: an epoch is then passed over, unless it is the last or the best
    so far, so that writing takes no more than `SHARE` of the time.

    Args:
        run_dir: of the run.
    """

    def __init__(self, run_dir: Path) -> None:
        folder = resume_folder(run_dir)
        super().__init__(folder, "{epoch:04d}", monitor="step", mode="max", save_top_k=2, save_on_train_epoch_end=True)
        self._written, self._took = 0.0, 0.0
        self._best: list[str] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write one, if it is time."""
        started = time.monotonic()
        best = [other.best_model_path for other in trainer.checkpoint_callbacks if isinstance(other, BestWeights)]
        due = self._took < CHEAP or started - self._written > self._took / SHARE or best != self._best
        if trainer.strategy.broadcast(due or trainer.current_epoch + 1 == trainer.max_epochs):
            self._best = best
            super().on_train_epoch_end(trainer, pl_module)
            self._written = time.monotonic()
            self._took = self._written - started


class BestWeights(Movable):
    """Keep the weights of the epoch with the highest mIoU on the validation split, and those of the next best.

    The next best is the best again for a run that is resumed from before the best one.

    Args:
        run_dir: of the run.
    """

    def __init__(self, run_dir: Path) -> None:
        looks: dict[str, Any] = {"monitor": "val/miou_pct", "mode": "max", "save_top_k": 2, "save_weights_only": True}
        super().__init__(best_folder(run_dir), "{epoch:04d}", **looks)


class OriginKept(pl.Callback):
    """Write into the checkpoints to resume from what reopens them, as in `save_weights`, and what made them.

    Args:
        config: of the run.
        code: of this process: `commit` and `dirty`.
        data: of the run.
    """

    def __init__(self, config: Mapping[str, Any], code: Mapping[str, Any], data: CamVidDataModule) -> None:
        self.config, self.data = dict(config), data
        self._sittings = [dict(code)]

    @property
    def code(self) -> dict[str, Any]:
        """That of the last sitting, dirty if that of any was, with the `earlier` commits if there are others."""
        commits = dict.fromkeys(sitting["commit"] for sitting in self._sittings[::-1])
        last, *earlier = commits
        dirty = any(sitting["dirty"] for sitting in self._sittings)
        return {"commit": last, "dirty": dirty} | ({"earlier": earlier} if earlier else {})

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add it."""
        frames = [self.data.store.digest, self.data.splits.digest()]
        checkpoint.setdefault("msaseg", {}).update(config=self.config, sittings=self._sittings, frames=frames)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the earlier sittings before this one.

        Raises:
            UserError: they trained on other frames.
        """
        frames = [self.data.store.digest, self.data.splits.digest()]
        if checkpoint["msaseg"].get("frames", frames) != frames:
            raise UserError(
                "this run was begun on other frames (paths.data): name those again, or give each data set a protocol "
                "of its own"
            )
        self._sittings = [*checkpoint["msaseg"].get("sittings", []), self._sittings[-1]]


def next_stage(run_dir: Path, epochs: int) -> str:
    """Return where a run goes on that is broken off now: "epoch 1" of 40, or "the test"."""
    done = max(map(epochs_done, resume_folder(run_dir).glob("epoch=*.ckpt")), default=0)
    return f"epoch {done + 1}" if done < epochs else "the test"


def epochs_done(checkpoint: Path) -> int:
    """Return how many epochs a checkpoint has behind it, by its name: they count from 0."""
    number = re.match(r"epoch=(\d+)", checkpoint.name)
    return int(number[1]) + 1 if number else 0


def newest_usable(folder: Path, module: nn.Module, *, to_resume: bool, first: str = "") -> Path | None:
    """Return the checkpoint of the latest epoch that fits a module; name each one that does not.

    Such a one is renamed to `*.broken`, so that nothing is resumed from it later either.

    Args:
        folder: of the checkpoints.
        module: that is to go on from it.
        to_resume: it must hold all that training goes on from, not the weights alone.
        first: name of the file to prefer to later ones, which an attempt that was broken off may have left.
    """
    found = sorted(folder.glob("epoch=*.ckpt"), key=lambda path: (path.name == first, epochs_done(path), path.name))
    for path in reversed(found):
        try:
            content = read_intact(path)
            _check_weights(content, module)
            if to_resume:
                _check_progress(content, module, epochs_done(path))
        except DamagedError as error:
            log.warning("checkpoint %s cannot be read (%s): using the one before it", path, error)
            with suppress(FileNotFoundError):  # another process of the run was faster
                path.rename(path.with_suffix(".broken"))
        else:
            return path
    return None


def _check_weights(content: Mapping[str, Any], module: nn.Module) -> None:
    state = content.get("state_dict")
    if not isinstance(state, dict):
        raise DamagedError("it has no state_dict")
    found = {name: getattr(tensor, "shape", None) for name, tensor in state.items()}
    own = {name: tensor.shape for name, tensor in module.state_dict().items()}
    wrong = sorted({name for name, _ in own.items() ^ found.items()})
    if wrong:
        raise DamagedError(f"{len(wrong)} tensors do not fit the net, the first {wrong[0]}")


def _check_progress(content: Mapping[str, Any], module: nn.Module, epochs: int) -> None:
    try:
        done = content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        (optimizer,) = content["optimizer_states"]
        steered = sum(len(group["params"]) for group in optimizer["param_groups"])
        dict(content["msaseg"]["history"])
        for device, state in content["msaseg"]["rng"].items():
            if device == "cpu" or torch.cuda.is_available():
                torch.Generator(device).set_state(state)  # raises at a state that is none
        _ = content["lr_schedulers"], content["pytorch-lightning_version"], content["global_step"]
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedError(f"what training goes on from is not whole: {type(error).__name__} {reason}") from error
    if done != epochs or steered != len(list(module.parameters())):
        raise DamagedError(f"it is of epoch {done} and {steered} parameters")


def save_weights(module: nn.Module, config: Mapping[str, Any], path: Path) -> None:
    """Write the weights, and the configuration that reopens them; a reader sees all of it or what was there before."""
    content = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), "msaseg": {"config": dict(config)}}, content)
    write_whole(path, content.getvalue())
