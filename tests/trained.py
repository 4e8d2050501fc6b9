"""A checkpoint as a run leaves it, of a net that has learnt nothing: made in a moment."""

import pytorch_lightning as pl
import torch

from msaseg.config import compose_run, hashed_part
from msaseg.running import build


def leave_checkpoint(path, *overrides, seen=None):
    """Write a checkpoint like the last lines of a run.

    Args:
        path: of the checkpoint.
        overrides: of the run.
        seen: uint8 images to which the batch norms become used: of these a net predicts more than one class.

    Returns:
        The composed configuration, and the module in evaluation mode.
    """
    config = compose_run(["protocol=smoke", *overrides])
    pl.seed_everything(config.seed, verbose=False)
    module = build(config, "model")
    module.config = hashed_part(config)
    with torch.no_grad():
        for _ in range(0 if seen is None else 15):
            module(seen)
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=str(path.parent),
    )  # fmt: skip
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path, weights_only=True)
    return config, module.eval()
