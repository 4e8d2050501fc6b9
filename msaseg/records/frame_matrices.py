"""One confusion matrix a scored frame, in a compressed file beside a run's record."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msaseg.cli.errors import UserError
from msaseg.records.files import write_whole
from msaseg.records.run import RunRecord

SUFFIX = ".frames.npz"
PART = "part/"
"""What the names of the arrays begin with that say which frames a part has."""


@dataclass(frozen=True)
class FrameMatrices:
    """The confusion matrix of each frame that a run was scored on.

    Args:
        names: ids of the F frames ("test/0001TP_008550"), each once.
        matrices: (F, C, C) pixels, rows truth, columns prediction.
        parts: part name ("test", or one that a probe names) to the positions of its frames in `names`.
    """

    names: tuple[str, ...]
    matrices: NDArray[np.uint32]
    parts: Mapping[str, NDArray[np.int64]]

    @classmethod
    def of(cls, parts: Mapping[str, Sequence[str]], matrices: Mapping[str, NDArray[np.uint32]]) -> "FrameMatrices":
        """Join parts, as frame names, and the frames' matrices."""
        scored = dict.fromkeys(name for names in parts.values() for name in names)
        position = {name: i for i, name in enumerate(scored)}
        indices = {part: np.array([position[name] for name in names], np.int64) for part, names in parts.items()}
        return cls(tuple(scored), np.stack([matrices[name] for name in scored]), indices)

    def part(self, name: str) -> tuple[tuple[str, ...], NDArray[np.uint32]]:
        """Return the frame ids of a part and their matrices."""
        chosen = self.parts[name]
        return tuple(self.names[i] for i in chosen), self.matrices[chosen]

    def save(self, path: Path) -> str:
        """Write the file whole; return its digest, which the record quotes."""
        arrays = {f"{PART}{part}": positions.astype(np.uint16) for part, positions in self.parts.items()}
        content = io.BytesIO()
        np.savez_compressed(
            content, allow_pickle=False, names=np.array(self.names, np.str_), matrices=self.matrices, **arrays
        )
        write_whole(path, content.getvalue())
        return _digest(content.getvalue())


def file_beside(record: Path) -> Path:
    """Return where the matrices of a record's frames lie."""
    return record.with_suffix(SUFFIX)


def load(path: Path, record: RunRecord) -> FrameMatrices | None:
    """Read the matrices of a record's frames; None for a record that has none.

    Args:
        path: of the record.
        record: read from it.

    Raises:
        UserError: the file is missing, is not the one that the record quotes, or its sums are not the record's
            matrices; one line with the mend.
    """
    if record.frame_matrices is None:
        return None
    path = file_beside(path)
    mend = f"restore it with `git checkout -- {path}`, or repeat the run with rerun=true"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the record's matrices of single frames are not there ({error.strerror}); {mend}"
        ) from error
    if _digest(content) != record.frame_matrices:
        raise UserError(f"{path}: not the file that its record quotes ({record.frame_matrices}); {mend}")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = FrameMatrices(
                names=tuple(map(str, arrays["names"])),
                matrices=arrays["matrices"],
                parts={key[len(PART) :]: arrays[key].astype(np.int64) for key in arrays if key.startswith(PART)},
            )
            sums = {part: found.part(part)[1].sum(0, dtype=np.int64) for part in found.parts}
    except Exception as error:  # of damaged bytes zipfile, zlib and NumPy raise nearly anything
        raise UserError(f"{path}: not matrices of frames ({error}); {mend}") from error
    wrong = [part for part, matrix in sums.items() if not np.array_equal(record.confusion.get(part, ()), matrix)]
    if wrong or "test" not in sums:
        raise UserError(f"{path}: the frames do not sum to the record's matrix of {[*wrong, 'test'][0]}; {mend}")
    return found


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()[:16]}"
