"""Pretrained weights: found in a folder or downloaded, and loaded strictly."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

State = dict[str, Tensor]

EXPECTED_MISSING = ".num_batches_tracked"
"""The only keys a file may lack: batch norm's step counters, which batch norm with a momentum never reads."""


def pretrained_state(
    name: str,
    weights: str,
    weights_dir: str | None,
    download: Callable[[], tuple[State, str]],
    release: str | None = None,
) -> tuple[State | None, str]:
    """Get the weights that an encoder's arguments ask for.

    Args:
        name: stem of the local file, as in `<weights_dir>/<name>*.safetensors`.
        weights: "imagenet" (the local file if there is one, else `download`), "none", or a path.
        weights_dir: folder that is searched; None or a folder without such a file means a download.
        download: returns the weights and the words that name their origin.
        release: the training that "imagenet" means; None where there is only one.

    Returns:
        The weights in float32 (None for "none") and a line that says where they came from: for "imagenet" the
        release first, if it has a name.

    Raises:
        ValueError: for another value of `weights`, a missing or unreadable file, or a failed download.
    """
    if weights == "none":
        return None, "none"
    path = _local_file(name, weights, weights_dir)
    of = f"{release}: " if release and weights == "imagenet" else ""
    if path is not None:
        state, source = _read(path, name)
        return state, of + source
    try:
        state, source = download()
        return state, of + source
    except Exception as error:  # torch, urllib, httpx and huggingface_hub each raise their own kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"download of the {name} weights failed ({reason}): {_mend(name)}") from error


def torchvision_download(enum: str, release: str) -> Callable[[], tuple[State, str]]:
    """A function that fetches a release of torchvision's ImageNet weights of that net."""

    def fetch() -> tuple[State, str]:
        from torchvision import models  # a second to load, and only downloads need it

        weights = getattr(models, enum)[release]
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        return state, f"torchvision {enum}"

    return fetch


def without_head(state: State, *prefixes: str) -> State:
    """Drop the classifier's keys, those that start with one of `prefixes`."""
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def load_strictly(module: nn.Module, state: State, source: str, name: str) -> None:
    """Load `state`: every key of `module` in its shape, less `EXPECTED_MISSING`, and no other.

    Raises:
        ValueError: names the source, the first offending key and how many there are. `module` is unchanged.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(EXPECTED_MISSING)]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in state if key in own and state[key].shape != own[key].shape]
    faults = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    found = [f"{len(keys)} keys {fault} (first: {keys[0]})" for fault, keys in faults.items() if keys]
    if found:
        raise ValueError(f"{source}: not the weights of {name}, {', '.join(found)}; {_mend(name)}")
    module.load_state_dict(state, strict=False)


def _mend(name: str) -> str:
    return f"set paths.weights (MSASEG_WEIGHTS) to a folder with {name}*.safetensors, or protocol.weights=none"


def _local_file(name: str, weights: str, weights_dir: str | None) -> Path | None:
    if weights == "imagenet":
        folder = Path(weights_dir).expanduser() if weights_dir else None
        if folder and not folder.is_dir():
            raise ValueError(f"{folder}: no such folder: {_mend(name)}")
        found = sorted(folder.glob(f"{name}*.safetensors")) if folder else []
        return min(found, key=lambda path: len(path.name), default=None)  # `resnet18`, not `resnet18d`
    path = Path(weights).expanduser()
    if path.suffix != ".safetensors":
        raise ValueError(f"weights must be imagenet, none or the path of a .safetensors file, not {weights!r}")
    if not path.is_file():
        raise ValueError(f"weights file {path} does not exist: give its right path, or protocol.weights=none")
    return path


def _read(path: Path, name: str) -> tuple[State, str]:
    try:
        content = path.read_bytes()
        state = safetensors.torch.load(content)
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: truncated or not a safetensors file; fetch it again: {_mend(name)}") from error
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    return state, f"{path.name} sha256:{hashlib.sha256(content).hexdigest()[:12]}"
