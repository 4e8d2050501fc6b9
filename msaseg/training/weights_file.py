"""Where trained weights come from: a checkpoint that a run left, or a small file that is published under a name."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import suggestion
from msaseg.records import places
from msaseg.training.intact import DamagedError, read_intact

SUFFIX = ".safetensors"
KEY = "msaseg"
"""Name of the configuration, as JSON, among the file's metadata."""


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
    names = suggestion(str(checkpoint), known) if known else "none here: they are in the repository, not in the package"
    raise UserError(f"{checkpoint}: no such file: give the weights.ckpt that a run left, or a published name: {names}")


def read(path: Path) -> dict[str, Any]:
    """Return `state_dict` and, below `msaseg`, the `config` of a file that `find` found.

    Raises:
        UserError: it is cut, changed or of another program.
    """
    try:
        content = _read_small(path) if path.suffix == SUFFIX else read_intact(path)
    except DamagedError as error:
        mend = "copy it anew, or make the run again with rerun=true"
        raise UserError(f"{path}: cut off, changed or not a checkpoint ({error}): {mend}") from error
    entry, state = content.get("msaseg"), content.get("state_dict")
    whole = isinstance(entry, dict) and isinstance(entry.get("config"), dict) and entry["config"]
    named = isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    if not (whole and named):
        raise UserError(f"{path}: not a checkpoint of msaseg: give the weights.ckpt that a run left")
    return content


def to_bytes(net: nn.Module, config: dict[str, Any]) -> bytes:
    """Return the content of a small file: every floating tensor of the net in float16.

    Args:
        net: with its trained weights.
        config: of its training: resolved, plain types.
    """
    state = {
        f"net.{key}": (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for key, tensor in net.state_dict().items()
    }
    content: bytes = save(state, {KEY: json.dumps({"config": config}, sort_keys=True)})
    return content


def _read_small(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "pt") as file:
            content = json.loads((file.metadata() or {})[KEY])
            return {
                "msaseg": content,
                "state_dict": {key: file.get_tensor(key) for key in file.keys()},  # noqa: SIM118 - it is no mapping
            }
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise DamagedError(type(error).__name__) from error
