"""Sequences resampled in blocks of neighbouring frames: the moving-block bootstrap (Künsch 1989)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msaseg.data.sequence import seconds

Integers = NDArray[np.int64]
_ROUNDING_S = 1e-6  # far below a frame's thirtieth of a second


@dataclass(frozen=True)
class VideoSequence:
    """The frames of one sequence by time, and the blocks that they are drawn in.

    A block is all the frames of the sequence within `block_s` seconds from one of them on; one that lies within the
    block before it (at the end of the sequence, or before a gap) is left out. So no block reaches over a gap as long as
    itself: what follows begins anew, and a stretch shorter than a block is one block.

    Args:
        frames: (n,) positions in the list of names.
        first: (k,) where in `frames` each block begins.
        length: (k,) frames of each block.
    """

    frames: Integers
    first: Integers
    length: Integers

    @classmethod
    def of(cls, frames: Sequence[int], times: Sequence[float], block_s: float) -> "VideoSequence":
        """Cut frames, in the order of their times, into blocks."""
        end = np.searchsorted(times, np.array(times) + block_s - _ROUNDING_S)
        first = np.flatnonzero(np.diff(end, prepend=0))
        return cls(np.array(frames, np.int64), first, end[first] - first)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (k,) sums over the frames of each block, of (n,) values."""
        before = np.concatenate([[0.0], values.cumsum()])
        found: NDArray[np.float64] = before[self.first + self.length] - before[self.first]
        return found

    def draw(self, resamples: int, rng: np.random.Generator) -> Integers:
        """Draw (resamples, m) blocks, each alike, m enough for the sequence's number of frames."""
        enough = -(-len(self.frames) // int(self.length.min()))
        return rng.integers(0, len(self.first), (resamples, enough))

    def counts(self, drawn: Integers) -> Integers:
        """Return how often each resample has each frame, (resamples, n).

        The blocks are laid end to end and cut at n frames, so a resample is as long as the sequence.
        """
        resamples, n = len(drawn), len(self.frames)
        length, first = self.length[drawn], self.first[drawn]
        taken = np.clip(n - (length.cumsum(1) - length), 0, length)
        row = (n + 1) * np.arange(resamples)[:, None]
        cells = resamples * (n + 1)
        begun = np.bincount((row + first).ravel(), minlength=cells)
        ended = np.bincount((row + first + taken).ravel(), minlength=cells)
        return (begun - ended).reshape(resamples, n + 1)[:, :n].cumsum(1)


def video_sequences(names: Sequence[str], block_s: float) -> list[VideoSequence]:
    """Sort frames into sequences, by name, and each sequence's by time.

    Raises:
        UserError: a frame's name tells no time.
    """
    timed: dict[str, list[tuple[float, str, int]]] = {}
    for position, name in enumerate(names):
        sequence, time = seconds(name)
        timed.setdefault(sequence, []).append((time, name, position))
    found = []
    for _, members in sorted(timed.items()):
        times, _, positions = zip(*sorted(members), strict=True)
        found.append(VideoSequence.of(positions, times, block_s))
    return found


def weights(parts: Sequence[VideoSequence], resamples: int, seed: int) -> Integers:
    """Return how often each resample has each frame, (resamples, F); every sequence is resampled by itself."""
    rng = np.random.default_rng(seed)
    found = np.zeros((resamples, sum(len(sequence.frames) for sequence in parts)), np.int64)
    for sequence in parts:
        found[:, sequence.frames] = sequence.counts(sequence.draw(resamples, rng))
    return found
