"""What a run found, and the record of each net that is made of it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from msaseg.benchmark.forms import END_TO_END
from msaseg.benchmark.roofline import Peaks, roofline
from msaseg.benchmark.session import FRAME, Conditions, Subject
from msaseg.benchmark.throughput import Throughput, in_one_line
from msaseg.benchmark.timing import Turns, ratios, summary
from msaseg.benchmark.variants import CHOICES
from msaseg.config import identity_hash
from msaseg.records import provenance
from msaseg.records.speed import SpeedRecord

CODE = provenance.code_state()
"""Of the code as it was loaded; when a measurement ends, its files may be others."""


@dataclass
class Results:
    """What was measured, by the nets' labels.

    Args:
        subjects: the nets that could be prepared.
        turns: seconds of each call in each turn; a net that failed has none.
        throughput: of those that have turns.
        peak: bytes, where they can be seen.
        peaks: of the device, by precision: the better of what was measured before and after the nets.
        clocks: of the device, before and after the turns.
        failed: nets that were named in a line.
        seconds: wall time of each phase.
    """

    subjects: dict[str, Subject] = field(default_factory=dict)
    turns: Turns = field(default_factory=dict)
    throughput: dict[str, Throughput] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, Peaks] = field(default_factory=dict)
    clocks: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def fail(self, label: str, error: BaseException) -> None:
        """Name a net that failed, in one line."""
        print(f"error: {label}: {in_one_line(error)}", file=sys.stderr, flush=True)
        if label not in self.failed:
            self.failed.append(label)


def records(config: DictConfig, reference: str, conditions: Conditions, results: Results) -> Iterator[SpeedRecord]:
    """Yield the record of each net that was timed, in the order of the turns."""
    shared: dict[str, Any] = {
        "code": CODE,
        "overrides": list(HydraConfig.get().overrides.task),
        "versions": provenance.versions("onnxruntime"),
        "seconds": {key: round(value, 2) for key, value in results.seconds.items()},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "reference": reference,
        "size": list(conditions.size),
        "clocks": results.clocks,
    }
    for label in results.turns:
        yield SpeedRecord(**shared, **_own(config, label, reference, conditions, results))


def _own(config: DictConfig, label: str, reference: str, conditions: Conditions, results: Results) -> dict[str, Any]:
    """Return the fields that differ from net to net."""
    subject, turns, peak = results.subjects[label], results.turns[label], results.peak.get(label)
    variant = subject.variant
    latency = summary([1000 * seconds for turn in turns for seconds in turn])
    described = _described(config, subject, reference, conditions)
    end_to_end = variant.form == END_TO_END
    return {
        "net": label,
        "model": variant.model,
        **{key: getattr(variant, key) for key in CHOICES},
        "include": dict.fromkeys(("copy", "resize", "argmax", "back"), end_to_end),
        "latency_ms": latency,
        "fps": float(f"{1000 / latency['median']:.5g}"),
        "throughput": _throughput(results.throughput[label]),
        "peak_memory_mb": None if peak is None else round(peak / 1e6, 3),
        "ratio": summary(ratios(results.turns[reference], turns)) if reference in results.turns else None,
        "cost": subject.cost,
        "roofline": roofline(results.peaks[variant.precision], subject.cost, subject.moved, latency["median"]),
        "procedure": {
            **{key: config[key] for key in ("warmup", "repeats", "calls")},
            "order": list(results.turns),
            "input": "random pixels",
            "frame": list(FRAME) if end_to_end else None,
            "weights": "random",
        },
        "config": described,
        "config_hash": identity_hash(described),
        "hardware": _hardware(conditions.device, variant.precision),
    }


def _described(config: DictConfig, subject: Subject, reference: str, conditions: Conditions) -> dict[str, Any]:
    variant = subject.variant
    benchmark = {
        "model": variant.model,
        "words": list(variant.words),
        **{key: getattr(variant, key) for key in CHOICES},
        "size": list(conditions.size),
        "device": conditions.device.type,
        "reference": reference,
        **{key: config[key] for key in ("warmup", "repeats", "calls", "most_images", "seed")},
    }
    return {"benchmark": benchmark, "net": variant.net_config}


def _throughput(found: Throughput) -> dict[str, Any]:
    return {
        "batch": found.batch,
        "images_per_s": found.best,
        "by_batch": {str(batch): rate["median"] for batch, rate in found.images_per_s.items()},
        "stopped": found.stopped,
    }


def _hardware(device: torch.device, precision: str) -> dict[str, Any]:
    found = provenance.hardware(device, precision)
    if device.type == "cuda":
        found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
    return found
