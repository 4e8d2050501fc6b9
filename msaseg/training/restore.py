"""Reopen a checkpoint alone: the net comes back without its training configuration, data, weights file or network."""

import hashlib
import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.config import identity_hash
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.net import SegmentationNet
from msaseg.training.intact import DamagedError, read_intact
from msaseg.training.weights_file import SUFFIX, read_weights_file

NETS = "msaseg.nets"


@dataclass(frozen=True)
class Restored:
    """A trained net in evaluation mode, and what its checkpoint says of it.

    Args:
        path: of the checkpoint.
        net: trained.
        config: of its training: resolved, plain types, `<paths.data>` and the like instead of machine paths.
    """

    path: Path
    net: SegmentationNet
    config: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the net, e.g. "msanet"."""
        return str(self.config["model"]["name"])

    @property
    def protocol(self) -> str:
        """Name of the protocol that it was trained under."""
        return str(self.config["protocol"]["name"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its C classes."""
        return CLASSES[: int(self.config["model"]["num_classes"])]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that it was trained on."""
        height, width = self.config["data"]["source"]["size"]
        return int(height), int(width)

    @property
    def config_hash(self) -> str:
        """The eight digits that name the run and its records (`msaseg.config.config_hash`)."""
        return identity_hash(self.config)

    @cached_property
    def digest(self) -> str:
        """Digest of the checkpoint's bytes."""
        return f"sha256:{hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]}"

    @property
    def mean_std(self) -> tuple[list[float], list[float]]:
        """Mean and deviation a colour by which the net normalises RGB in [0, 1]; 0 and 1 if it does not."""
        for module in self.net.modules():
            if isinstance(module, Encoder):
                return module.mean.flatten().tolist(), module.std.flatten().tolist()
        return [0.0] * 3, [1.0] * 3

    def logits(self, images: Tensor) -> Tensor:
        """Map uint8 RGB images (N, 3, h, w) to float32 logits (N, C, h, w)."""
        logits: Tensor = self.net(images.contiguous(memory_format=torch.channels_last).float() / 255)
        return logits.float()


def restore(path: Path, device: str | torch.device = "cpu") -> Restored:
    """Reopen a checkpoint that a run left (`weights.ckpt`, or one to resume from).

    Nothing in the file is executed: it is read with `weights_only`, and only classes of `msaseg.nets` are built.

    Raises:
        UserError: the file is missing, cut or foreign, or its net is not in this version; one line with the mend.
    """
    content = _read(path)
    config, state = content["msaseg"]["config"], content["state_dict"]
    try:
        net = construct(_untrained(config["model"]["net"]), NETS)
        assert isinstance(net, SegmentationNet)
        restored = Restored(path, net, config)
        _ = restored.name, restored.protocol, restored.classes, restored.size
    except (KeyError, TypeError, AttributeError, AssertionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: its net cannot be built ({reason}): use the version of msaseg that trained it"
        ) from error
    _load(net, {key.removeprefix("net."): value for key, value in state.items() if key.startswith("net.")}, path)
    net.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    return restored


def choose_device(word: str) -> torch.device:
    """Return the device that `device=auto|cpu|cuda` means here.

    Raises:
        UserError: there is no GPU that torch can use.
    """
    if word == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: torch finds no GPU here: write device=cpu")
    return torch.device("cuda" if word != "cpu" and torch.cuda.is_available() else "cpu")


def construct(part: Mapping[str, Any], package: str) -> object:
    """Build what a part of a configuration describes, out of classes that a package itself defines.

    A checkpoint may come from anywhere: its `_target_` must not reach another function of the machine. Of the
    target only the class name counts, so that a checkpoint outlives a move of the code.

    Args:
        part: `_target_` and arguments; an argument that has a `_target_` is built first.
        package: e.g. "msaseg.nets".

    Raises:
        ValueError: the target is not a class of the package.
    """
    target = str(part["_target_"])
    kind = own_classes(package).get(target.rpartition(".")[2])
    if kind is None:
        raise ValueError(f"{target} is not a class of {package}")
    arguments = {
        key: construct(value, package) if isinstance(value, Mapping) and "_target_" in value else value
        for key, value in part.items()
        if key != "_target_"
    }
    built: object = kind(**arguments)
    return built


@cache
def own_classes(package: str) -> dict[str, type]:
    """Return the classes that the modules of a package define, by name, less those that share a name."""
    root = importlib.import_module(package)
    names = [found.name for found in pkgutil.walk_packages(root.__path__, f"{package}.")]
    classes = [
        kind
        for module in map(importlib.import_module, names)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    ]
    count = Counter(kind.__name__ for kind in classes)
    return {kind.__name__: kind for kind in classes if count[kind.__name__] == 1}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"checkpoint={path}: no such file: give the weights.ckpt that a run left")
    try:
        content = read_weights_file(path) if path.suffix == SUFFIX else read_intact(path)
    except DamagedError as error:
        mend = "copy it anew, or make the run again with rerun=true"
        raise UserError(f"{path}: cut off, changed or not a checkpoint ({error}): {mend}") from error
    entry = content.get("msaseg")
    if not isinstance(entry, dict) or not entry.get("config") or not isinstance(content.get("state_dict"), dict):
        raise UserError(f"{path}: not a checkpoint of msaseg: give the weights.ckpt that a run left")
    return content


def _untrained(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a net's configuration without pretrained weights: the checkpoint holds all of them."""
    untrained: dict[str, Any] = {}
    for key, value in part.items():
        if isinstance(value, Mapping):
            untrained[key] = _untrained(value)
        elif key in ("weights", "weights_dir"):
            untrained[key] = "none" if key == "weights" else None
        else:
            untrained[key] = value
    return untrained


def _load(net: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    own = net.state_dict()
    missing, unexpected = own.keys() - state.keys(), state.keys() - own.keys()
    reshaped = {key for key in own.keys() & state.keys() if own[key].shape != state[key].shape}
    wrong = sorted(missing | unexpected | reshaped)
    if wrong:
        mend = "use the version of msaseg that trained it"
        raise UserError(f"{path}: {len(wrong)} tensors do not fit its net (first: {wrong[0]}): {mend}")
    net.load_state_dict(state)
