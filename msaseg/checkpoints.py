"""The checkpoints of one run: two to resume from, and the weights that remain."""

import logging
import pickle
from pathlib import Path

import torch
from pytorch_lightning.callbacks import ModelCheckpoint

log = logging.getLogger(__name__)

UNREADABLE = (EOFError, RuntimeError, OSError, KeyError, pickle.UnpicklingError)
"""What torch.load raises for an empty, cut or foreign file."""


def resume_folder(run_dir: Path) -> Path:
    """Return where the checkpoints to resume from lie."""
    return run_dir / "checkpoints"


def best_folder(run_dir: Path) -> Path:
    """Return where the weights of the best epoch lie until the run is recorded."""
    return run_dir / "best"


def resume_points(run_dir: Path) -> ModelCheckpoint:
    """Write a checkpoint after every epoch and keep the last two: one may be cut off while it is written."""
    return ModelCheckpoint(
        resume_folder(run_dir),
        "{epoch:04d}",
        monitor="step",
        mode="max",
        save_top_k=2,
        save_on_train_epoch_end=True,
    )


def best_weights(run_dir: Path) -> ModelCheckpoint:
    """Keep the weights of the epoch with the highest mIoU on the validation split."""
    return ModelCheckpoint(
        best_folder(run_dir), "{epoch:04d}", monitor="val/miou_pct", mode="max", save_weights_only=True
    )


def next_stage(run_dir: Path, epochs: int) -> str:
    """Return where a run goes on that is broken off now: "epoch 1" of 40, or "the test"."""
    done = max(map(epochs_done, resume_folder(run_dir).glob("epoch=*.ckpt")), default=0)
    return f"epoch {done + 1}" if done < epochs else "the test"


def epochs_done(checkpoint: Path) -> int:
    """Return how many epochs a checkpoint to resume from has behind it, by its name: they count from 0."""
    return int(checkpoint.stem.partition("epoch=")[2][:4]) + 1


def newest_readable(folder: Path) -> Path | None:
    """Return the newest checkpoint that can be read; name each one that cannot.

    A cut-off file is renamed to `*.broken`, so that nothing is resumed from it later either.
    """
    for path in sorted(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            torch.load(path, map_location="meta", weights_only=True)["msaseg"]
        except UNREADABLE as error:
            log.warning("checkpoint %s cannot be read (%s): using the one before it", path, type(error).__name__)
            path.rename(path.with_suffix(".broken"))
        else:
            return path
    return None
