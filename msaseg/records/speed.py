"""One JSON file a measured net: written, read and named here only."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msaseg.records.files import read_fields, to_json, write_whole
from msaseg.records.places import results_root

SCHEMA = 1
SAMPLES = 30
"""Timed calls, or turns, from which on a range of 90 % says something; a published speed has so many calls."""


@dataclass(frozen=True)
class SpeedRecord:
    """How fast one net was, in one run with others.

    Args:
        net: the entry of `nets`.
        model: of `conf/model`.
        form, mode, precision: that it ran in.
        size: (height, width) of the image.
        include: what was timed beside the net, such as `copy` to the device and `argmax`.
        latency_ms: of batch 1: median, p5, p95, min, max over n calls.
        fps: 1000 / median latency.
        throughput: `batch` and `images_per_s` at the best batch, `by_batch`, and why it `stopped`.
        peak_memory_mb: weights and the most that one forward holds, 1e6 bytes; None where it cannot be seen.
        reference: the entry that `ratio` compares with.
        ratio: how many times as fast as the reference, over turns: median, p5, p95, min, max, n; None if the
            reference failed.
        cost: `params`, those of them that a deployed net reads (`params_deployed`), `macs` (multiply-adds of one image)
            at `input_size`.
        roofline: the device's peaks, the net's `macs` and `bytes`, `bound_ms`, `limited_by`, `times_bound`.
        procedure: `warmup`, `repeats`, `calls`, the `order` of the turns, and what was fed.
        config: `benchmark` and `net`, resolved, without machine paths.
        config_hash: eight hexadecimal digits over `config`.
        overrides: what was typed after `msaseg.benchmark`.
        code, versions, hardware: as in a run's record.
        seconds: wall time of the run's phases.
        finished: UTC time, ISO 8601.
        clocks: what the device told of itself `before` and `after` the turns (`msaseg.benchmark.clocks`).
        schema: version of this layout.
    """

    net: str
    model: str
    form: str
    mode: str
    precision: str
    size: list[int]
    include: dict[str, bool]
    latency_ms: dict[str, float]
    fps: float
    throughput: dict[str, Any]
    peak_memory_mb: float | None
    reference: str
    ratio: dict[str, float] | None
    cost: dict[str, Any]
    roofline: dict[str, Any]
    procedure: dict[str, Any]
    config: dict[str, Any]
    config_hash: str
    overrides: list[str]
    code: dict[str, Any]
    versions: dict[str, str]
    hardware: dict[str, Any]
    seconds: dict[str, float]
    finished: str
    clocks: dict[str, dict[str, Any]] | None = None
    schema: int = SCHEMA

    def save(self, root: Path) -> Path:
        """Write the record into a folder of `root` so that a reader sees all of it or nothing; return its path.

        A net measured again in the same way on the same kind of machine replaces its record.
        """
        path = root / device_slug(self.hardware) / self.file_name
        write_whole(path, to_json(asdict(self)))
        return path

    @property
    def file_name(self) -> str:
        """What the record is called, in its device's folder."""
        size = "x".join(map(str, self.size))
        return "-".join([slug(self.bare), size, self.precision, self.mode, self.form, self.config_hash]) + ".json"

    @property
    def bare(self) -> str:
        """The entry of `nets` without the words for form, mode and precision."""
        return " ".join(word for word in self.net.split(" ") if not word.startswith(("form=", "mode=", "precision=")))

    @classmethod
    def load(cls, path: Path) -> "SpeedRecord":
        """Read a record.

        Raises:
            UserError: the file is not JSON, or lacks a field; the message names the file and the mend.
        """
        return cls(**read_fields(path, cls, SCHEMA, "measure again"))


def extent(summary: Mapping[str, float]) -> tuple[float, float]:
    """Return the range of 90 % of the samples behind a summary; of fewer than `SAMPLES` the least and the most.

    >>> extent({"median": 2.0, "p5": 1.1, "p95": 2.9, "min": 1.0, "max": 3.0, "n": 3})
    (1.0, 3.0)
    """
    low, high = ("p5", "p95") if summary["n"] >= SAMPLES else ("min", "max")
    return summary[low], summary[high]


def speeds_root(publish: bool, outputs: Path) -> Path:
    """Return where the records of speeds lie: in the repository, or on this machine alone."""
    return results_root(publish, outputs) / "speeds"


def device_slug(hardware: dict[str, Any]) -> str:
    """Return a folder's name for a device; a CPU with another number of threads is another device.

    >>> device_slug({"device": "AMD EPYC 7B13", "kind": "cpu", "threads": 1})
    'amd-epyc-7b13-1-thread'
    """
    if hardware["kind"] != "cpu":
        return slug(hardware["device"])
    threads = hardware["threads"]
    return slug(f"{hardware['device']} {threads} thread{'s' if threads > 1 else ''}")


def slug(text: str) -> str:
    """Return lower-case letters, digits and underscores, everything else as single hyphens.

    >>> slug("msanet net/encoder=conv")
    'msanet-net-encoder-conv'
    """
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")
