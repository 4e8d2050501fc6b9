"""The record of a run that is finished: its key, its numbers, and what they were made of and with."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from msaseg.config import hashed_part
from msaseg.data.datamodule import CamVidDataModule
from msaseg.records import provenance
from msaseg.records.cost import cost
from msaseg.records.run import RunKey, RunRecord
from msaseg.training.module import SegmentationModule

CODE = provenance.code_state()
"""Of the code as it was loaded; when a run ends, its files may be others."""


def make_record(
    config: DictConfig,
    key: RunKey,
    module: SegmentationModule,
    *,
    results: Mapping[str, Mapping[str, Any]],
    seconds: Mapping[str, float],
    hardware: dict[str, Any],
    data: CamVidDataModule | None = None,
    code: dict[str, Any] = CODE,
    url: str | None = None,
) -> RunRecord:
    """Return the record of a finished run.

    Args:
        config: of the run.
        key: what it is called.
        module: with the net and its history.
        results: part name to scores, with the part's `confusion` matrix where it has one.
        seconds: wall time of the run's phases.
        hardware: that it ran on.
        data: that it read; None if it read none.
        code: that made it.
        url: of the W&B run.
    """
    metrics = {part: {key: x for key, x in result.items() if key != "confusion"} for part, result in results.items()}
    return RunRecord(
        **asdict(key),
        metrics=metrics,
        confusion={part: result["confusion"] for part, result in results.items() if "confusion" in result},
        classes=list(module.classes),
        cost=cost(module.net, tuple(config.protocol.size)),
        history=module.history,
        config=hashed_part(config),
        overrides=list(HydraConfig.get().overrides.task),
        data=_data_facts(data) if data else {},
        weights=module.net.weights_source,
        code=code,
        versions=provenance.versions(),
        hardware=hardware,
        seconds={key: round(value, 2) for key, value in seconds.items()},
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        wandb_url=url,
    )


def _data_facts(data: CamVidDataModule) -> dict[str, Any]:
    return {
        "data_digest": data.store.digest,
        "split_digest": data.splits.digest(),
        "frames": {split: len(getattr(data.splits, split)) for split in ("train", "val", "test")},
    }
