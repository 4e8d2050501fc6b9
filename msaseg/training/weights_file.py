"""Where trained weights come from: a checkpoint that a run left, or a small file that is published under a name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from msaseg.cli.errors import UserError
from msaseg.records import places
from msaseg.records.files import write_whole
from msaseg.training.intact import DamagedError, read_intact

SUFFIX = ".safetensors"
KEY = "msaseg"
"""Of the metadata: the configuration of the training, as JSON."""


def published() -> dict[str, Path]:
    """Return the files of `experiments/weights` by their names."""
    folder = places.PUBLISHED / "weights" if places.PUBLISHED else None
    return {path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))} if folder else {}


def find(checkpoint: Path | str) -> Path:
    """Return the file that a path, or else the name of published weights, means.

    Raises:
        UserError: there is neither; one line that lists the names.
    """
    path = Path(checkpoint)
    known = published()
    if path.is_file():
        return path
    if str(checkpoint) in known:
        return known[str(checkpoint)]
    names = f"one of the names {', '.join(known)}" if known else "nothing is published under a name yet"
    raise UserError(f"{checkpoint}: no such file: give the weights.ckpt that a run left ({names})")


def read(path: Path) -> dict[str, Any]:
    """Return `state_dict` and, below `msaseg`, the `config` of a file that `find` found.

    Raises:
        UserError: it is cut, changed or of another program.
    """
    try:
        content = _read_published(path) if path.suffix == SUFFIX else read_intact(path)
    except DamagedError as error:
        mend = "copy it anew, or make the run again with rerun=true"
        raise UserError(f"{path}: cut off, changed or not a checkpoint ({error}): {mend}") from error
    entry, state = content.get("msaseg"), content.get("state_dict")
    whole = isinstance(entry, dict) and isinstance(entry.get("config"), dict) and entry["config"]
    if not (whole and isinstance(state, dict) and all(map(_is_named_tensor, state.items()))):
        raise UserError(f"{path}: not a checkpoint of msaseg: give the weights.ckpt that a run left")
    return content


def publish(path: Path, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write the weights of a net in half precision, with the configuration of its training inside.

    Args:
        path: `experiments/weights/NAME.safetensors`.
        state: of the net; whole numbers stay as they are.
        config: of the training, plain types.
    """
    halves = {f"net.{name}": tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    contiguous = {name: tensor.contiguous() for name, tensor in halves.items()}
    write_whole(path, safetensors.torch.save(contiguous, {KEY: json.dumps(config, sort_keys=True)}))


def _read_published(path: Path) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, "pt") as file:
            config = json.loads((file.metadata() or {})[KEY])
            names = file.keys()  # it is no dictionary
            return {"msaseg": {"config": config}, "state_dict": {name: file.get_tensor(name) for name in names}}
    except (OSError, KeyError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise DamagedError(type(error).__name__) from error


def _is_named_tensor(entry: tuple[object, object]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Tensor)
