"""Train and test one configuration and write its record. Loaded only when there is something to train."""

import logging
import shlex
import time
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from filelock import FileLock
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint

from msaseg.cli.errors import UserError
from msaseg.cli.stopping import goes_on_from, heed, undisturbed
from msaseg.config import hashed_part
from msaseg.data.camvid import CamVid
from msaseg.data.datamodule import CamVidDataModule
from msaseg.data.distance import DistanceParts
from msaseg.data.manifest import digest, read_manifest
from msaseg.data.splits import Splits
from msaseg.records import places, provenance
from msaseg.records.frame_matrices import FrameMatrices, file_beside
from msaseg.records.run import key_of_record
from msaseg.training import checkpoints
from msaseg.training.callbacks import estimate_statistics
from msaseg.training.faults import faults_named
from msaseg.training.logger import how_to_watch, log_printed, wandb_of
from msaseg.training.memory import keep_freed_memory
from msaseg.training.metrics import scores
from msaseg.training.module import SegmentationModule
from msaseg.training.processes import is_one_of_several, nodes, run_processes, told_once
from msaseg.training.record import make_record
from msaseg.training.trainer import build, make_loggers, make_trainer, on_gpu

log = logging.getLogger(__name__)
for source in ("utilities.rank_zero", "trainer.connectors.signal_connector"):  # no tips, no device list
    logging.getLogger(f"pytorch_lightning.{source}").setLevel(logging.WARNING)
logging.getLogger("lightning_fabric.utilities.distributed").setLevel(logging.WARNING)

EXPECTED_WARNINGS = (
    r".*isinstance\(treespec, LeafSpec\)",  # Lightning 2.6 on torch 2.15
    r"Checkpoint directory .* exists and is not empty",  # a resumed run's
    r"The '.*_dataloader' does not have many workers",  # none on few cores, on purpose
    r"Total length of `list` across ranks is zero",  # a protocol without a part to watch
    r"The number of training batches",  # fewer than log_every_n_steps
    r"The `srun` command is available",  # a run in a Slurm cluster, or on a machine that has its tools
    r"It is recommended to use `self.log\(",  # scores of several processes are summed before they are logged
)


def train(config: DictConfig, run_dir: Path, record_path: Path | None) -> None:
    """Fit, test and record one run; a second process on the same run waits, then finds the record.

    Args:
        config: composed and frozen.
        run_dir: checkpoints and logs go here.
        record_path: where the record is written, last of all; None: nowhere, of a run for debugging.

    Raises:
        UserError: a mistake in data, weights or values, in one line.
        SystemExit: with status 143 or 130 after SIGTERM or Ctrl-C.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    goes_on_from(lambda: checkpoints.next_stage(run_dir, config.protocol.epochs))
    with nullcontext() if is_one_of_several() else FileLock(run_dir / "running.lock"):
        if record_path and record_path.exists() and not config.rerun:
            log.info("finished meanwhile by another process: %s", record_path)
            return
        if config.trainer.devices > 1 and not is_one_of_several():
            _check_devices(config)
            run_processes(config.trainer.devices, run_dir)
            return
        with told_once(), faults_named(run_dir):
            _train(config, run_dir, record_path)


def _check_devices(config: DictConfig) -> None:
    devices, gpus = config.trainer.devices, torch.cuda.device_count()
    if devices % nodes():
        raise UserError(f"trainer.devices={devices}: the job has {nodes()} nodes: set a multiple of that")
    if on_gpu(config) and gpus < devices // nodes():
        raise UserError(f"trainer.devices={devices}: this process sees {gpus} GPUs: set fewer devices")


def _check_release(data: CamVidDataModule) -> None:
    """Refuse frames whose record would stand among those of CamVid.

    Raises:
        UserError: they are not those of the release.
    """
    if isinstance(data.source, CamVid) and data.store.digest != digest(read_manifest()):
        root = data.source.root
        raise UserError(
            f"{root}: these are not CamVid's frames (`python -m msaseg.data verify {root}` names what differs): "
            "add protocol.publish=false to keep the record on this machine"
        )


def _train(config: DictConfig, run_dir: Path, record_path: Path | None) -> None:
    heed()  # torch and Lightning have been imported
    started = time.perf_counter()
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message)
    if not on_gpu(config):
        keep_freed_memory()
    pl.seed_everything(config.seed, verbose=False)
    data: CamVidDataModule = build(config, "data")
    data.setup()  # bad data is told before weights are fetched
    if record_path and places.PUBLISHED and record_path.is_relative_to(places.PUBLISHED):
        _check_release(data)
    if config.debug == "overfit":
        data.splits = Splits(data.splits.train[: data.batch_size], (), data.splits.test)
    if record_path and config.protocol.select == "best" and not data.splits.val:
        raise UserError("protocol.select=best: this split has no validation frames to choose by: set it to last")
    for name in ("val", "test"):
        frames = len(getattr(data.splits, name))
        if 0 < frames < config.trainer.devices:
            raise UserError(f"trainer.devices={config.trainer.devices}: {name} has {frames} frames: set fewer devices")
    module: SegmentationModule = build(config, "model")
    loggers = make_loggers(config, run_dir)
    trainer = make_trainer(config, run_dir, loggers, data)
    failed = True
    try:
        for logger in loggers:
            logger.log_hyperparams(hashed_part(config) | {"row": str(config.row)})
            log.info(how_to_watch(logger))
        log_printed(loggers, config, 0)
        _fit_test_record(config, trainer, module, data, run_dir=run_dir, record_path=record_path, started=started)
        failed = False
    finally:
        for logger in wandb_of(loggers):
            logger.finish(failed)  # last of all: nothing of the run depends on a server


def _fit_test_record(
    config: DictConfig,
    trainer: pl.Trainer,
    module: SegmentationModule,
    data: CamVidDataModule,
    *,
    run_dir: Path,
    record_path: Path | None,
    started: float,
) -> None:
    resumed = checkpoints.newest_usable(checkpoints.resume_folder(run_dir), module, to_resume=True)
    if resumed is not None:
        log.info("resuming from %s", resumed)
        data.first_epoch = checkpoints.epochs_done(resumed)
    ready = time.perf_counter()
    fit(trainer, module, data, resumed)
    fitted = time.perf_counter()
    if record_path is None:
        if trainer.is_global_zero:
            checkpoints.remove(run_dir)
        log.info(
            "debug=%s: train mIoU %s %%, no record: %s", config.debug, module.results["train"]["miou_pct"], run_dir
        )
        return
    best, averaged = config.protocol.select == "best", config.protocol.get("average") is not None
    if best:
        _load_best(trainer, module, run_dir)
    if averaged:
        estimate_statistics(module, data, trainer)
    if (best or averaged) and data.val_dataloader():
        trainer.validate(module, data, verbose=False)  # the record's val scores are those of the net tested
    trainer.test(module, data, verbose=False)
    splits, probed = score_probe(config, module, data, trainer)
    if not trainer.is_global_zero:
        return
    checkpoints.save_weights(module, hashed_part(config), run_dir / "weights.ckpt")
    seconds = {
        "setup": ready - started,
        "fit": sum(value for _, value in module.history.get("train/seconds", [])),
        "test": time.perf_counter() - fitted,
    }
    seconds["total"] = sum(seconds.values())
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    record = make_record(
        config,
        key_of_record(config, record_path),
        module,
        results=module.results | probed,
        seconds=seconds,
        hardware=provenance.hardware(trainer.strategy.root_device, trainer.precision)
        | {"processes": trainer.world_size},
        data=data,
        code=next(kept.code for kept in callbacks if isinstance(kept, checkpoints.OriginKept)),
        url=next((logger.url for logger in wandb_of(trainer.loggers)), None),
    )
    frames = FrameMatrices.of({"test": data.splits.test} | splits, module.frame_matrices)
    with undisturbed():
        record = replace(record, frame_matrices=frames.save(file_beside(record_path)))
        record.save(record_path)
        checkpoints.remove(run_dir)  # else `rerun=true` would go on from them
    log_printed(trainer.loggers, config, config.protocol.epochs - 1)
    for logger in wandb_of(trainer.loggers):
        logger.log_metrics({f"cost/{name}": float(record.value(name) or 0) for name in ("params_m", "macs_g")})
    log.info("mIoU %s %% on test after %.0f s: %s", record.value("miou_pct"), seconds["total"], record_path)
    if record.diverged:
        log.warning("the training loss ended above that of guessing: the run diverged; try other rates, or float32")
    weights = str(run_dir / "weights.ckpt")
    log.info("checkpoint: %s", weights)
    log.info("next: python -m msaseg.predict %s PHOTO.jpg --out segmented", shlex.quote(weights))


def fit(trainer: pl.Trainer, module: SegmentationModule, data: CamVidDataModule, resumed: Path | None) -> None:
    """Fit; turn Lightning's silent exit on SIGTERM into exit status 143."""
    try:
        trainer.fit(module, data, ckpt_path=resumed)
    except SystemExit as stopped:
        raise SystemExit(stopped.code or 143) from stopped


def _load_best(trainer: pl.Trainer, module: SegmentationModule, run_dir: Path) -> None:
    callback = trainer.checkpoint_callback
    assert isinstance(callback, ModelCheckpoint)
    first = Path(callback.best_model_path).name
    best = checkpoints.newest_usable(checkpoints.best_folder(run_dir), module, to_resume=False, first=first)
    if best is None:
        raise UserError(f"{run_dir}: the weights of the best epoch are lost: delete this folder and repeat the command")
    module.load_state_dict(torch.load(best, weights_only=True, map_location=module.device)["state_dict"])


def score_probe(
    config: DictConfig, module: SegmentationModule, data: CamVidDataModule, trainer: pl.Trainer
) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, Any]]]:
    """Score the trained net on further parts of the frames, if the configuration has a `probe` that names some.

    A part of fewer frames than the probe's `fewest` is counted, not scored.

    Returns:
        Part name to frame ids, of those that were scored, and part name to its number of `frames` and its scores;
        both empty without a probe.
    """
    if not config.get("probe"):
        return {}, {}
    device = trainer.strategy.root_device
    module.to(device).eval()  # a test ends with the net in the host's memory
    tested = set(data.splits.test)
    probe: DistanceParts = build(config, "probe")
    parts = probe(data.store.names, data.splits)
    scored = {part: names for part, names in parts.items() if len(names) >= probe.fewest}
    further = dict.fromkeys(name for names in scored.values() for name in names if name not in tested)
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        for batch in data.eval_loader(tuple(further)):
            module.predict_scored(data.transfer_batch_to_device(batch, device, 0))
    module.gather_frames()
    module.cpu()
    results: dict[str, dict[str, Any]] = {part: {"frames": len(names)} for part, names in parts.items()}
    for part, names in scored.items():
        confusion = torch.from_numpy(sum(module.frame_matrices[name].astype(np.int64) for name in names))
        results[part] |= {**scores(confusion, module.classes), "confusion": confusion.tolist()}
    return scored, results
