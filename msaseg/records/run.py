"""One JSON file a finished run: written, read and named here only."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from msaseg.cli.errors import UserError
from msaseg.config import config_hash
from msaseg.records.files import read_fields, to_json, way_back, write_whole
from msaseg.records.scores import disagreement

SCHEMA = 1
AGAIN = "repeat the run"
HEADLESS = ("FCN8", "FCN8s", "DeepLabLargeFOV", "DeepParsingNetwork")
"""Nets with VGG16's fully connected layers, which its release of features does not have."""

NO_TABLE = "single"
"""The `table` of a run outside any experiment (`conf/train.yaml`)."""


@dataclass(frozen=True)
class RunKey:
    """What a run is called: the row of a table that it fills, under which protocol and seed, and what it computes.

    Args:
        table: id of the table; `NO_TABLE` for a run outside any experiment.
        protocol: name of the protocol that it is trained and scored under.
        row: the table's row.
        seed: of initialisation, shuffling and augmentation.
        config_hash: eight hexadecimal digits over the configuration, without seed and machine.

    Raises:
        UserError: a name that cannot be a folder's.
    """

    table: str
    protocol: str
    row: str
    seed: int
    config_hash: str

    def __post_init__(self) -> None:
        for key in ("table", "protocol", "row", "config_hash"):
            name = getattr(self, key)
            if not isinstance(name, str) or not name or name in (".", "..") or set(name) & set("/\\\0"):
                raise UserError(f"{key}={name}: it names a folder or file of records: give a name without slashes")

    @classmethod
    def of(cls, config: DictConfig) -> "RunKey":
        """Return the key of a composed run."""
        return cls(config.table.id, config.protocol.name, str(config.row), config.seed, config_hash(config))

    def path(self, root: Path) -> Path:
        """Return where the record lies: runs that compute different things never share a file."""
        return root / self.table / self.protocol / self.row / self.file_name

    @property
    def file_name(self) -> str:
        """The record's name in its row's folder."""
        return f"seed{self.seed}-{self.config_hash}.json"

    def weights(self, outputs: Path) -> Path | None:
        """Return the latest weights that the run left here, whichever table and row asked for it, or None."""
        folder = Path(self.file_name).stem
        found = (outputs / "runs").glob(f"*/{self.protocol}/*/{folder}/weights.ckpt")
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


@dataclass(frozen=True)
class RunRecord:
    """What a finished run did and measured. No record means that the run is not finished.

    Args:
        table, protocol, row, seed, config_hash: as in `RunKey`.
        metrics: split name to scores; every score's key carries its unit (`miou_pct`).
        confusion: split name to the confusion matrix in pixels, rows truth, columns prediction.
        classes: names of the matrix's rows.
        cost: `params` (count), `macs` (multiply-adds of one image) at `input_size` (height, width); `encoder`, the
            same three of the encoder alone, if the net has one.
        history: series name to [step, value] pairs, in the order logged.
        config: the resolved configuration without machine paths.
        overrides: what was typed after `msaseg.train`.
        data: `data_digest` of the decoded frames, `split_digest` of the frame lists, `frames` a split.
        weights: where the encoder's weights came from, with their digest.
        code: `commit` and `dirty` (whether the checkout, results apart, differed from it); `earlier`, the commits of
            earlier sittings of a resumed run, where there are others.
        versions: package name to version.
        hardware: device, cores, precision.
        seconds: wall time of `setup`, `fit` (over all the sittings of a resumed run), `test`, and their `total`.
        finished: UTC time, ISO 8601.
        wandb_url: address of the online run, or None.
        frame_matrices: digest of the file beside the record that holds one confusion matrix a scored frame
            (`msaseg.records.frame_matrices`); None in records made before there were any, and in computed ones.
        schema: version of this layout.
    """

    table: str
    protocol: str
    row: str
    seed: int
    config_hash: str
    metrics: dict[str, dict[str, Any]]
    confusion: dict[str, list[list[int]]]
    classes: list[str]
    cost: dict[str, Any]
    history: dict[str, list[list[float]]]
    config: dict[str, Any]
    overrides: list[str]
    data: dict[str, Any]
    weights: str
    code: dict[str, Any]
    versions: dict[str, str]
    hardware: dict[str, Any]
    seconds: dict[str, float]
    finished: str
    wandb_url: str | None = None
    frame_matrices: str | None = None
    schema: int = SCHEMA

    def value(self, column: str) -> float | str | None:
        """Return what a table shows under `column`: a cost, or a score.

        Costs come as `params_m` (millions), `size_mb` (float32, 1e6 bytes) and `macs_g` (1e9 multiply-adds of one
        image of the protocol's size), those of the encoder alone as `encoder_params_m`, `encoder_size_mb` and
        `encoder_macs_g` (at the size that `cost` names). What it was trained with is `recipe/encoder`,
        `recipe/initialisation`, `recipe/rate` and `recipe/width` (texts). A score is `score`, `score.class`, or
        `part/score` where the part is not the test split: `miou_pct`, `iou_pct.Car`, `val/pixel_accuracy_pct`.
        """
        costs = self._costs()
        if column in costs:
            return costs[column]
        part, slash, name = column.rpartition("/")
        if part == "recipe":
            return self._recipe()[name]
        value: Any = self.metrics.get(part if slash else "test", {})
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value if value is None or isinstance(value, str) else float(value)

    @property
    def has_weights_asked_for(self) -> bool:
        """Whether the encoder started from the weights that the configuration names."""
        encoder = self.config.get("model", {}).get("net", {}).get("encoder") or {}
        asked = encoder.get("weights", "none")
        if asked == "none":
            return self.weights == "none"
        return self.weights != "none" and (encoder.get("release", "") if asked == "imagenet" else asked) in self.weights

    @property
    def diverged(self) -> bool:
        """Whether the loss of training ended above that of guessing, ln C, or as no number."""
        guessing = math.log(len(self.classes))
        return any(not loss <= guessing for _, loss in self.history.get("train/loss", [])[-1:])

    def _recipe(self) -> dict[str, str]:
        """Return the choices in which two nets of a table may differ beside the one that it is about."""
        model = self.config.get("model", {})
        net = model.get("net", {})
        encoder = net.get("encoder") or {}
        kind = str(encoder.get("name") or encoder.get("_target_", "").rpartition(".")[2].removesuffix("Encoder"))
        rates = [f"{model[key]:g}" for key in ("encoder_lr", "lr") if key in model]
        if self.weights == "none":
            rates = rates[1:]  # nothing is pretrained
        width = net.get("width") or net.get("fc_channels")
        headless = net.get("_target_", "").rpartition(".")[2] in HEADLESS
        return {
            "encoder": kind + (" dilated" if encoder.get("dilated") else "") or "own",
            "initialisation": "scratch" if self.weights == "none" else f"ImageNet{', fc6 and fc7 random' * headless}",
            "rate": ", ".join(dict.fromkeys(rates)) or "–",
            "width": str(width or "–"),
        }

    def _costs(self) -> dict[str, float]:
        costs = {}
        for prefix, cost in (("", self.cost), ("encoder_", self.cost.get("encoder"))):
            if cost:
                costs[f"{prefix}params_m"] = cost["params"] / 1e6
                costs[f"{prefix}size_mb"] = cost["params"] * 4 / 1e6
                costs[f"{prefix}macs_g"] = cost["macs"] / 1e9
        return costs

    @property
    def key(self) -> RunKey:
        """What the run is called."""
        return RunKey(self.table, self.protocol, self.row, self.seed, self.config_hash)

    def save(self, path: Path) -> None:
        """Write the record so that a reader sees all of it or nothing."""
        write_whole(path, to_json(asdict(self)))

    @classmethod
    def load(cls, path: Path | str) -> "RunRecord":
        """Read a record.

        Raises:
            UserError: the file is not JSON, lacks a field or has a wrong one, or its mIoU is not its
                matrix's; one line with the mend.
        """
        path = Path(path)
        record = cls(**read_fields(path, cls, SCHEMA, AGAIN))
        if wrong := disagreement(record.metrics, record.confusion):
            raise UserError(f"{path}: {wrong}; {way_back(path, AGAIN)}")
        return record


def key_of_record(config: DictConfig, path: Path) -> RunKey:
    """Return what a composed run is filed as: its record at `path` may be another table's, which asked for it first."""
    return replace(RunKey.of(config), table=path.parts[-4], row=path.parts[-2])
