"""The parts of a run as its configuration describes them: the Trainer, its callbacks and loggers."""

import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy

from msaseg.cli.errors import UserError
from msaseg.config import hashed_part
from msaseg.data.datamodule import CamVidDataModule
from msaseg.records import provenance
from msaseg.training import checkpoints
from msaseg.training.batch_norm import BatchNormOverProcesses
from msaseg.training.callbacks import AveragedWeights, LastLook, LossWatch, OwnNumbers, PredictionPanel
from msaseg.training.processes import nodes, rank
from msaseg.training.progress import Progress
from msaseg.training.record import CODE


def build(config: DictConfig, key: str, **arguments: Any) -> Any:  # noqa: ANN401 - the target's type
    """Instantiate one top-level part of a frozen configuration, with plain lists and dicts."""
    part = OmegaConf.create({key: OmegaConf.to_container(config[key], resolve=True)})
    return instantiate(part[key], _convert_="all", **arguments)


def make_loggers(config: DictConfig, run_dir: Path) -> list[Logger]:
    """Return the loggers that the configuration names, which write below the run's folder.

    Raises:
        UserError: the package of one is not installed.
    """
    loggers: list[Logger] = []
    if rank():
        return loggers
    for name in config.get("logger") or ():
        try:
            loggers.append(build(config.logger, name, save_dir=run_dir))
        except InstantiationException as error:
            if isinstance(error.__cause__, ModuleNotFoundError):
                raise UserError(f"logger={name}: it is not installed: pip install {name}") from error
            raise
    return loggers


def make_trainer(config: DictConfig, run_dir: Path, loggers: list[Logger], data: CamVidDataModule) -> pl.Trainer:
    """Return the Trainer of a run, with the precision of this machine for `precision: auto`."""
    average = config.protocol.get("average")
    callbacks: list[pl.Callback] = [LastLook(), LossWatch(), PredictionPanel()]
    if config.protocol.select == "best":  # before the next, whose checkpoint holds which epoch was the best
        callbacks.append(checkpoints.BestWeights(run_dir))
    callbacks += [checkpoints.ResumePoints(run_dir), checkpoints.OriginKept(hashed_part(config), CODE, data)]
    if average is not None:
        callbacks.append(AveragedWeights(decay=average))
    if loggers:
        callbacks.append(LearningRateMonitor("step"))
    if config.trainer.devices > 1:
        callbacks.append(OwnNumbers(config.seed))
    callbacks.append(Progress(config.protocol.watch, sys.stdout if sys.stdout.isatty() else None))
    trainer: pl.Trainer = build(
        config,
        "trainer",
        callbacks=callbacks,
        logger=loggers,
        default_root_dir=str(run_dir),
        precision=precision_here(config),
        use_distributed_sampler=False,  # the data module's own samplers know ranks and epochs
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        # never Lightning's environment for Slurm: it would take the signals, and a job's tasks for processes of a run
        **(several_devices(config) if config.trainer.devices > 1 else {"plugins": [LightningEnvironment()]}),
    )
    return trainer


def several_devices(config: DictConfig) -> dict[str, Any]:
    """Return what the Trainer of one of several processes needs: its share of them, and batch norm over all frames."""
    layer_sync = BatchNormOverProcesses(gpu=on_gpu(config))
    return {
        "devices": config.trainer.devices // nodes(),
        "num_nodes": nodes(),
        "strategy": DDPStrategy(find_unused_parameters=True),  # heads whose loss the protocol leaves out
        "plugins": [LightningEnvironment(), layer_sync],
    }


def precision_here(config: DictConfig) -> str:
    """Return the precision that a run computes in here."""
    asked = str(config.trainer.precision)
    return provenance.best_precision(config.protocol.cpu_precision, gpu=on_gpu(config)) if asked == "auto" else asked


def on_gpu(config: DictConfig) -> bool:
    """Return whether a run uses GPUs here."""
    return bool(config.trainer.accelerator != "cpu" and torch.cuda.is_available())
