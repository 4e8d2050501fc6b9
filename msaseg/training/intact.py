"""Read what `torch.save` wrote, if every byte of it is still what was written."""

import zipfile
from pathlib import Path
from typing import Any

import torch


class DamagedError(Exception):
    """The file is not what was written; the message says in a few words why."""


def read_intact(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU; nothing in the file is executed.

    torch.load looks at no checksum, so a flipped bit would be taken for a weight; the file, a zip, has them. It unpacks
    what others packed, so a small file could fill the memory.

    Raises:
        DamagedError: the file is missing, cut, foreign, packed or changed.
    """
    try:
        with zipfile.ZipFile(path) as file:
            packed = sum(entry.file_size for entry in file.infolist()) > path.stat().st_size
            changed = None if packed else file.testzip()
        content = None if packed or changed else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes raise a dozen kinds
        raise DamagedError(type(error).__name__) from error
    if packed:
        raise DamagedError("it is packed")
    if changed:
        raise DamagedError(f"the bytes of {changed} are not those that were written")
    if not isinstance(content, dict):
        raise DamagedError(f"it holds a {type(content).__name__}")
    return content
