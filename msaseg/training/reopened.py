"""A checkpoint as the LightningModule that wrote it, to score or to train on."""

import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from msaseg.cli.errors import UserError
from msaseg.training import losses, ohem, schedules
from msaseg.training.module import AuxiliaryLoss, SegmentationModule
from msaseg.training.restore import reopen

RECIPE = ("optimizer", "schedule", "auxiliary", "loss")
"""Arguments of the module that are objects."""


Module = TypeVar("Module", bound=SegmentationModule)


def reopened(checkpoint: Path | str, device: str | torch.device | None, kind: type[Module]) -> Module:
    """Return the module of a checkpoint in training mode, with the recipe that it was trained with.

    Args:
        checkpoint: a file, or the name of published weights.
        device: None is the CPU.
        kind: class of the module.

    Its parameters get one learning rate, `lr`: that some were pretrained once makes no difference now.

    Raises:
        UserError: as `restore.reopen`.
    """
    restored = reopen(checkpoint)
    model = restored.config["model"]
    try:
        recipe: dict[str, Any] = {key: _built(model.get(key)) for key in RECIPE}
        recipe |= {key: float(model[key]) for key in ("lr", "encoder_lr")}
        module = kind(restored.name, restored.net, len(restored.classes), **recipe)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        mend = "use the version of msaseg that trained it"
        raise UserError(f"{restored.path}: its training cannot be set up ({reason}): {mend}") from error
    return module.to(device or "cpu")


def _built(part: Any) -> Any:  # noqa: ANN401 - any value of a configuration
    if not isinstance(part, Mapping):
        return part
    arguments = {str(key): _built(value) for key, value in part.items() if key not in ("_target_", "_partial_")}
    if "_target_" not in part:
        return arguments
    kind = _kinds().get(str(part["_target_"]).rpartition(".")[2])
    if kind is None:
        raise ValueError(f"{part['_target_']} is no part of a recipe")
    return functools.partial(kind, **arguments) if part.get("_partial_") else kind(**arguments)


@functools.cache
def _kinds() -> dict[str, type]:
    """Return what a recipe may be made of, by name: a checkpoint may come from anywhere."""
    found: dict[str, type] = {"AuxiliaryLoss": AuxiliaryLoss}
    parts = ((losses, nn.Module), (ohem, nn.Module), (torch.optim, Optimizer))
    for module, base in (*parts, (schedules, LRScheduler), (lr_scheduler, LRScheduler)):
        found |= {name: kind for name, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, base)}
    return found
