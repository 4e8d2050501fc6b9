"""The frames that a checkpoint is scored on, and whether it was trained on them."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from omegaconf import DictConfig

from msaseg.cli.checks import check
from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion
from msaseg.config import compose_run, loader_workers
from msaseg.data.datamodule import CamVidDataModule
from msaseg.evaluate.scoring import precision
from msaseg.tables.protocols import protocol_names
from msaseg.training.restore import Restored, construct
from msaseg.training.trainer import build

DATA = "msaseg.data"
MOST_SCORED = 1 << 24
"""Pixels of a batch, at most, whatever a checkpoint asks for."""


class ScoredFrames(NamedTuple):
    """What is scored.

    Args:
        protocol: its name.
        data: its frames, opened.
        names: those of the split.
        trained: how many of them the checkpoint was trained on.
    """

    protocol: str
    data: CamVidDataModule
    names: tuple[str, ...]
    trained: int


def scored_frames(restored: Restored, protocol: str | None, split: str, overrides: Sequence[str]) -> ScoredFrames:
    """Open the frames of a protocol, or of the checkpoint's own configuration.

    Args:
        restored: the checkpoint.
        protocol: a file of `conf/protocol`; None: as the checkpoint was trained.
        split: "test" or "val".
        overrides: further words of `msaseg.train`, e.g. `paths.data=/path`; without a protocol those of `paths` only.

    Raises:
        UserError: the data cannot be had, or the split is empty.
    """
    if protocol is None:
        for word in overrides:
            if not word.startswith("paths."):
                raise UserError(
                    f"{word}: it changes a protocol: add --protocol NAME ({restored.protocol} trained this)"
                )
        config = compose_run(list(overrides))
        with _as_trained(restored):
            data = _own_data(restored, config)
            data.setup()
    else:
        if protocol not in protocol_names():
            raise UserError(f"--protocol {protocol}: {suggestion(protocol, protocol_names())}")
        config = compose_run([f"protocol={protocol}", "protocol.weights=none", *overrides])
        check(config)
        data = build(config, "data")
        data.setup()
    names: tuple[str, ...] = getattr(data.splits, split)
    name = protocol or restored.protocol
    if not names:
        other = "test" if split == "val" else "val"
        raise UserError(f"--split {split}: protocol {name} has no such frames: write --split {other}")
    with _as_trained(restored):
        precision(restored)
        trained = _trained_on(restored, data, config)
    return ScoredFrames(name, data, names, len(trained.intersection(names)))


def warning(restored: Restored, frames: ScoredFrames) -> str | None:
    """Return one line if the scores do not mean what the checkpoint's own protocol would make of them, else None."""
    classes, height, width = frames.data.class_names, *frames.data.source.size
    said = []
    if (restored.protocol, restored.size, restored.classes) != (frames.protocol, (height, width), classes):
        own = f"{restored.protocol} ({restored.size[0]}x{restored.size[1]}, {len(restored.classes)} classes)"
        said.append(f"trained under {own}, scored under {frames.protocol} ({height}x{width}, {len(classes)} classes)")
    if frames.trained:
        said.append(f"leak! {frames.trained} of the {len(frames.names)} frames scored trained this net")
    unknown = classes[len(restored.classes) :]
    if unknown:
        said.append(f"the net does not know {', '.join(unknown)}")
    return "; ".join(said) or None


def _own_data(restored: Restored, config: DictConfig) -> CamVidDataModule:
    data = construct(_filled(restored.config["data"] | {"num_workers": loader_workers()}, config), DATA)
    if not isinstance(data, CamVidDataModule):
        raise TypeError("no data")
    fitting = max(1, MOST_SCORED // math.prod(restored.size))
    data.eval_batch_size = min(data.eval_batch_size, fitting)
    return data


@contextmanager
def _as_trained(restored: Restored) -> Iterator[None]:
    """Within it what a checkpoint says of its data is a mistake of the checkpoint."""
    try:
        yield
    except UserError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        mend = "use the version of msaseg that trained it"
        raise UserError(f"{restored.path}: its data cannot be built ({reason}): {mend}") from error


def _filled(part: dict[str, Any], config: DictConfig) -> dict[str, Any]:
    """Return a checkpoint's configuration with this machine's paths; where a cache is written is never its choice."""
    paths = {f"<paths.{key}>": config.paths[key] for key in config.paths}
    return {
        key: config.paths.cache
        if key == "cache_dir" and value is not None
        else _filled(value, config)
        if isinstance(value, dict)
        else paths.get(value, value)
        if isinstance(value, str)
        else value
        for key, value in part.items()
    }


def _trained_on(restored: Restored, data: CamVidDataModule, config: DictConfig) -> set[str]:
    """Return the ids of the frames that trained the checkpoint, as the source of `data` names them."""
    own = restored.config["data"]
    uncached = {"cache_dir": None} if "cache_dir" in own["source"] else {}  # the names are enough
    source: Any = construct(_filled(own["source"] | uncached, config), DATA)
    split: Any = construct(_filled(own.get("split", {}), config), DATA)
    if type(source) is not type(data.source):
        return set()
    return set(split(source.open().names).train)
