"""Train and test one configuration and write its record. Loaded only when there is something to train."""

import logging
import shlex
import shutil
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from filelock import FileLock
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import EMAWeightAveraging, LearningRateMonitor, RichProgressBar
from pytorch_lightning.loggers import Logger

from msaseg.cli.errors import UserError
from msaseg.cli.stopping import goes_on_from, undisturbed
from msaseg.config import hashed_part
from msaseg.data.datamodule import CamVidDataModule
from msaseg.data.distance import DistanceParts
from msaseg.records import provenance
from msaseg.records.frame_matrices import FrameMatrices, file_beside
from msaseg.records.run import key_of_record
from msaseg.training import checkpoints
from msaseg.training.callbacks import EpochLine, LastLook, LossWatch, PredictionPanel
from msaseg.training.logger import RunLogger
from msaseg.training.metrics import scores
from msaseg.training.module import SegmentationModule
from msaseg.training.record import make_record

log = logging.getLogger(__name__)
logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # no tips, no device list
logging.getLogger("pytorch_lightning.trainer.connectors.signal_connector").setLevel(logging.WARNING)

EXPECTED_WARNINGS = (
    r".*isinstance\(treespec, LeafSpec\)",  # Lightning 2.6 on torch 2.15
    r"Checkpoint directory .* exists and is not empty",  # a resumed run's
    r"The '.*_dataloader' does not have many workers",  # none on few cores, on purpose
    r"Total length of `list` across ranks is zero",  # a protocol without a part to watch
    r"The number of training batches",  # fewer than log_every_n_steps
)


def train(config: DictConfig, run_dir: Path, record_path: Path) -> None:
    """Fit, test and record one run; a second process on the same run waits, then finds the record.

    Args:
        config: composed and frozen.
        run_dir: checkpoints and logs go here.
        record_path: where the record is written, last of all.

    Raises:
        UserError: a mistake in data, weights or values, in one line.
        SystemExit: with status 143 or 130 after SIGTERM or Ctrl-C.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    goes_on_from(lambda: checkpoints.next_stage(run_dir, config.protocol.epochs))
    with FileLock(run_dir / "running.lock"):
        if record_path.exists() and not config.rerun:
            log.info("finished meanwhile by another process: %s", record_path)
            return
        _train(config, run_dir, record_path)


def _train(config: DictConfig, run_dir: Path, record_path: Path) -> None:
    started = time.perf_counter()
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message)
    pl.seed_everything(config.seed, verbose=False)
    data: CamVidDataModule = build(config, "data")
    data.setup()  # bad data is told before weights are fetched
    if config.protocol.select == "best" and not data.splits.val:
        raise UserError("protocol.select=best: this split has no validation frames to choose by: set it to last")
    module: SegmentationModule = build(config, "model")
    module.config = hashed_part(config)
    logger = build(config, "logger", save_dir=run_dir) if config.get("logger") else False
    trainer = make_trainer(config, run_dir, logger)
    failed = True
    try:
        if isinstance(logger, Logger):
            logger.log_hyperparams(hashed_part(config) | {"row": str(config.row)})
        _fit_test_record(config, trainer, module, data, run_dir=run_dir, record_path=record_path, started=started)
        failed = False
    finally:
        if isinstance(logger, RunLogger):
            logger.finish(failed)  # last of all: nothing of the run depends on a server
    for folder in (checkpoints.resume_folder(run_dir), checkpoints.best_folder(run_dir)):
        shutil.rmtree(folder, ignore_errors=True)


def _fit_test_record(
    config: DictConfig,
    trainer: pl.Trainer,
    module: SegmentationModule,
    data: CamVidDataModule,
    *,
    run_dir: Path,
    record_path: Path,
    started: float,
) -> None:
    resumed = checkpoints.newest_usable(checkpoints.resume_folder(run_dir), module, to_resume=True)
    if resumed is not None:
        log.info("resuming from %s", resumed)
        data.first_epoch = checkpoints.epochs_done(resumed)
    ready = time.perf_counter()
    fit(trainer, module, data, resumed)
    fitted = time.perf_counter()
    if config.protocol.select == "best":
        _load_best(module, run_dir)
        trainer.validate(module, data, verbose=False)  # the record's val scores are those of the epoch tested
    trainer.test(module, data, verbose=False)
    parts = {"test": data.splits.test} | score_probe(config, module, data, trainer)
    checkpoints.save_weights(trainer, run_dir / "weights.ckpt")
    seconds = {
        "setup": ready - started,
        "fit": sum(value for _, value in module.history.get("train/seconds", [])),
        "test": time.perf_counter() - fitted,
    }
    seconds["total"] = sum(seconds.values())
    record = make_record(
        config,
        key_of_record(config, record_path),
        module,
        results=module.results,
        seconds=seconds,
        hardware=provenance.hardware(trainer.strategy.root_device, trainer.precision),
        data=data,
        url=trainer.logger.url if isinstance(trainer.logger, RunLogger) else None,
    )
    frames = FrameMatrices.of(parts, module.frame_matrices)
    with undisturbed():
        record = replace(record, frame_matrices=frames.save(file_beside(record_path)))
        record.save(record_path)
    log.info("mIoU %s %% on test after %.0f s: %s", record.value("miou_pct"), seconds["total"], record_path)
    weights = str(run_dir / "weights.ckpt")
    log.info("checkpoint: %s", weights)
    log.info("next: python -m msaseg.predict %s PHOTO.jpg --out segmented", shlex.quote(weights))


def build(config: DictConfig, key: str, **arguments: Any) -> Any:  # noqa: ANN401 - the target's type
    """Instantiate one top-level part of a frozen configuration, with plain lists and dicts."""
    part = OmegaConf.create({key: OmegaConf.to_container(config[key], resolve=True)})
    return instantiate(part[key], _convert_="all", **arguments)


def make_trainer(config: DictConfig, run_dir: Path, logger: Logger | bool) -> pl.Trainer:
    """Return the Trainer of a run, with the precision of this machine for `precision: auto`."""
    precision = config.trainer.precision
    callbacks: list[pl.Callback] = [LastLook(), LossWatch(), PredictionPanel(), checkpoints.resume_points(run_dir)]
    if config.protocol.select == "best":
        callbacks.append(checkpoints.best_weights(run_dir))
    if config.protocol.get("average") is not None:
        callbacks.append(EMAWeightAveraging(decay=config.protocol.average))
    if logger:
        callbacks.append(LearningRateMonitor("step"))
    callbacks.append(RichProgressBar(leave=True) if sys.stdout.isatty() else EpochLine())
    trainer: pl.Trainer = build(
        config,
        "trainer",
        callbacks=callbacks,
        logger=logger,
        default_root_dir=str(run_dir),
        precision=provenance.best_precision(config.protocol.cpu_precision) if precision == "auto" else precision,
        use_distributed_sampler=False,  # the data module's own samplers know ranks and epochs
        num_sanity_val_steps=0,
        enable_progress_bar=sys.stdout.isatty(),
        enable_model_summary=False,
    )
    return trainer


def fit(trainer: pl.Trainer, module: SegmentationModule, data: CamVidDataModule, resumed: Path | None) -> None:
    """Fit; turn Lightning's silent exit on SIGTERM into exit status 143."""
    try:
        trainer.fit(module, data, ckpt_path=resumed)
    except SystemExit as stopped:
        raise SystemExit(stopped.code or 143) from stopped


def _load_best(module: SegmentationModule, run_dir: Path) -> None:
    best = checkpoints.newest_usable(checkpoints.best_folder(run_dir), module, to_resume=False)
    if best is None:
        raise UserError(f"{run_dir}: the weights of the best epoch are lost: delete this folder and repeat the command")
    module.load_state_dict(torch.load(best, weights_only=True, map_location=module.device)["state_dict"])


def score_probe(
    config: DictConfig, module: SegmentationModule, data: CamVidDataModule, trainer: pl.Trainer
) -> dict[str, tuple[str, ...]]:
    """Score the trained net on further parts of the frames, if the configuration has a `probe` that names some.

    Each part's scores join the results under the part's name, with its number of `frames`; a part of fewer frames than
    the probe's `fewest` is counted, not scored.

    Returns:
        Part name to frame ids, of those that were scored; empty without a probe.
    """
    if not config.get("probe"):
        return {}
    module.eval()
    tested = set(data.splits.test)
    probe: DistanceParts = build(config, "probe")
    parts = probe(data.store.names, data.splits)
    scored = {part: names for part, names in parts.items() if len(names) >= probe.fewest}
    further = dict.fromkeys(name for names in scored.values() for name in names if name not in tested)
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for batch in data.eval_loader(tuple(further)):
            module.predict_scored(data.transfer_batch_to_device(batch, module.device, 0))
    for part, names in parts.items():
        module.results[part] = {"frames": len(names)}
        if part in scored:
            confusion = torch.from_numpy(sum(module.frame_matrices[name].astype(np.int64) for name in names))
            module.results[part] |= {**scores(confusion, module.classes), "confusion": confusion.tolist()}
    return scored
