"""A folder that appears whole or not at all, built once however many processes want it."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from msaseg.cli.errors import UserError


def build_once(target: Path, is_whole: Callable[[Path], bool], build: Callable[[Path], None]) -> bool:
    """Have `build` fill a folder beside `target`, then rename it to `target` in one step.

    One process builds, the others wait for its lock file and find the result. What a killed process left
    half-built has another name, so it is never taken for `target`; the next builder removes it.

    Args:
        target: the folder to make. One that is not whole is replaced.
        is_whole: says whether an existing `target` can be used.
        build: receives an empty folder. Its exceptions pass through, and nothing is left behind.

    Returns:
        True if it was built by this call.

    Raises:
        UserError: the folder cannot be written (permission, full disk).
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if is_whole(target):
                return False
            for leftover in target.parent.glob(f".{target.name}.building-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            staged = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-", dir=target.parent))
            try:
                build(staged)
                staged.chmod(0o755)  # mkdtemp makes it private
                if target.exists():
                    shutil.rmtree(target)
                os.replace(staged, target)
            finally:
                shutil.rmtree(staged, ignore_errors=True)
        return True
    except OSError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{target}: cannot be made ({reason}): free space there or choose a path") from error
