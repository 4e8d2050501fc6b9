"""What the tables need to know of a protocol, and where things are on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import OmegaConf

from msaseg.config import CONF, config_hash

ORDER = ("paper", "official", "trainval", "laptop", "smoke")
"""In which order a table shows them; others follow by name."""


@dataclass(frozen=True)
class Protocol:
    """How numbers were come by: data, split and recipe.

    Args:
        name: stem of the file in `conf/protocol/`.
        about: that file's leading comment, in one line.
        publish: whether its records and tables belong to the repository.
        minutes: rough length of a run on a "cpu" and on a "gpu".
        needs_data: whether it reads CamVid from disk.
        default_run: config hash of the run that it composes unless told more, MSANet's.
    """

    name: str
    about: str
    publish: bool
    minutes: dict[str, float]
    needs_data: bool
    default_run: str


@dataclass(frozen=True)
class Paths:
    """Where this machine keeps the data set and what runs write."""

    data: Path
    outputs: Path


def machine_paths() -> Paths:
    """Return the paths of `conf/paths/default.yaml`, the environment's MSASEG_* variables applied."""
    paths = OmegaConf.create({"paths": OmegaConf.load(CONF / "paths" / "default.yaml")}).paths
    return Paths(data=Path(paths.data), outputs=Path(paths.outputs))


def protocol_names() -> list[str]:
    """Return the names of all protocols in the order that tables show them."""
    names = {file.stem for file in (CONF / "protocol").glob("*.yaml")}
    return [name for name in ORDER if name in names] + sorted(names - set(ORDER))


def compose_protocol(name: str) -> dict[str, Any]:
    """Return the fields of a `Protocol` that need composing; call it with Hydra initialised."""
    config = compose("train", [f"protocol={name}"])
    protocol = config.protocol
    return {
        "publish": bool(protocol.publish),
        "minutes": OmegaConf.to_container(protocol.minutes),
        "needs_data": "root" in protocol.source,
        "default_run": config_hash(config),
    }


def about(name: str) -> str:
    """Return the leading comment of a protocol's file in one line."""
    words: list[str] = []
    for line in (CONF / "protocol" / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words += line.lstrip("# ").split()
    return " ".join(words)
