"""Reopen a checkpoint alone: the net comes back without its training configuration, data, weights file or network."""

import hashlib
import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion
from msaseg.config import identity_hash
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.net import SegmentationNet
from msaseg.training import weights_file
from msaseg.training.inference import logits

NETS = "msaseg.nets"
LARGEST = 4096
"""Pixels of a side that a checkpoint may ask for."""
MOST = 10_000
"""Values of a configuration; those of a run have a few hundred."""
SHARED = 4
"""Places in which a tensor of a file may stand: a pyramid has one encoder for three scales."""


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
        return logits(self.net, images)


def restore(checkpoint: Path | str, device: str | torch.device = "cpu") -> Restored:
    """Reopen a checkpoint that a run left (`weights.ckpt`, or one to resume from), or published weights, to predict.

    Args:
        checkpoint: a file, or the name of published weights.
        device: where the net is put.

    Raises:
        UserError: as `reopen`.
    """
    restored = reopen(checkpoint)
    restored.net.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    restored.net.requires_grad_(False)
    return restored


def reopen(checkpoint: Path | str) -> Restored:
    """Return a checkpoint's net as it was while it was trained.

    Nothing in the file is executed: it is read with `weights_only` or as safetensors, and only classes of `msaseg.nets`
    are built. No memory is taken for a net before the file's own tensors are seen to fit it.

    Raises:
        UserError: the file is missing, cut or foreign, its net is not in this version, or its weights are not finite;
            one line with the mend.
    """
    path = weights_file.find(checkpoint)
    content = weights_file.read(path)
    config = content["msaseg"]["config"]
    state = content.get("current_model_state", content["state_dict"])  # of averaged weights the statistics come later
    mend = "use the version of msaseg that trained it"
    try:
        part = config["model"]["net"]
        own = {name.removeprefix("net."): tensor for name, tensor in state.items() if name.startswith("net.")}
        _check_facts(config)
        with torch.device("meta"):
            restored = Restored(path, _net(part), config)
        _check_tensors(restored, own)
        of_net = restored.net.state_dict()
        restored.net.load_state_dict({name: own[name].to(of_net[name].dtype) for name in own}, assign=True)
    except UserError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: its net cannot be built ({reason}): {mend}") from error
    return restored


def choose_device(word: str) -> torch.device:
    """Return the device that "auto", "cpu" or "cuda" means here.

    Raises:
        UserError: it is another word, or there is no GPU that torch can use.
    """
    if word not in (words := ("auto", "cpu", "cuda")):
        raise UserError(f"device {word}: {suggestion(word, words)}")
    if word == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda: torch finds no GPU here: choose cpu")
    return torch.device("cuda" if word != "cpu" and torch.cuda.is_available() else "cpu")


def construct(part: Mapping[str, Any], package: str, fixed: Mapping[str, Any] = MappingProxyType({})) -> object:
    """Build what a part of a configuration describes, out of classes that a package itself defines.

    A checkpoint may come from anywhere: its `_target_` must not reach another function of the machine. Of the
    target only the class name counts, so that a checkpoint outlives a move of the code.

    Args:
        part: `_target_` and arguments; an argument that has a `_target_` is built first.
        package: e.g. "msaseg.nets".
        fixed: arguments of whatever class has them, in place of those described.

    Raises:
        ValueError: the target is not a class of the package.
    """
    target = str(part["_target_"])
    kind = own_classes(package).get(target.rpartition(".")[2])
    if kind is None:
        raise ValueError(f"{target} is not a class of {package}")
    arguments = {
        key: construct(value, package, fixed) if isinstance(value, Mapping) and "_target_" in value else value
        for key, value in part.items()
        if key != "_target_"
    }
    known = inspect.signature(kind).parameters
    built: object = kind(**arguments | {key: value for key, value in fixed.items() if key in known})
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


def _net(part: Mapping[str, Any]) -> SegmentationNet:
    net = construct(part, NETS, {"weights": "none", "weights_dir": None})  # the checkpoint holds all of them
    if not isinstance(net, SegmentationNet):
        raise TypeError(f"{part['_target_']} is no net")
    return net


def _check_facts(config: dict[str, Any]) -> None:
    """Refuse a configuration that no run of the suite can have had.

    Raises:
        ValueError: it asks for another number of classes than its net has or than there are, or for an input that
            cannot be; a name is no word; it has no end, for a file can hold a list that holds itself.
        TypeError: it cannot be hashed.
    """
    if len(list(islice(_values(config), MOST + 1))) > MOST:
        raise ValueError(f"a configuration of more than {MOST} values")
    classes, model = config["model"]["num_classes"], config["model"]
    if type(classes) is not int or not 1 <= classes <= len(CLASSES):
        raise ValueError(f"num_classes={classes}: there are 1 to {len(CLASSES)}")
    if model["net"].get("num_classes", classes) != classes:
        raise ValueError(f"num_classes={classes}, but its net has {model['net']['num_classes']}")
    sides = config["data"]["source"]["size"]
    if len(sides) != 2 or not all(type(side) is int and 1 <= side <= LARGEST for side in sides):
        raise ValueError(f"an input of {sides} pixels: height and width are 1 to {LARGEST}")
    for name in (str(model["name"]), str(config["protocol"]["name"])):
        if not name.isprintable() or len(name) > 100:
            raise ValueError("a name that is no word")
    identity_hash(config)


def _values(part: Any) -> Iterator[Any]:  # noqa: ANN401 - any value of a configuration
    inner = part.values() if isinstance(part, Mapping) else part if isinstance(part, list | tuple) else ()
    for value in inner:
        yield value
        yield from _values(value)


def _check_tensors(restored: Restored, state: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not those of the net, or with which it computes nothing.

    Raises:
        UserError: names the first.
        ValueError: they share memory, so that a small file would fill much.
    """
    own = restored.net.state_dict()
    reshaped = {name for name in own.keys() & state.keys() if own[name].shape != state[name].shape}
    wrong = sorted((own.keys() ^ state.keys()) | reshaped)
    if wrong:
        mend = "use the version of msaseg that trained it"
        raise UserError(f"{restored.path}: {len(wrong)} tensors do not fit its net (first: {wrong[0]}): {mend}")
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > SHARED * restored.path.stat().st_size:
        raise ValueError("its tensors are larger than the file")
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            mend = "the training diverged, train again at a lower rate"
            raise UserError(f"{restored.path}: {name} holds values that are not finite: {mend}")
