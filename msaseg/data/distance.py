"""How far frames are, in time, from those that a net was trained on."""

import bisect
from collections.abc import Sequence

from msaseg.cli.errors import UserError
from msaseg.data.sequence import seconds
from msaseg.data.splits import SplitRule, Splits

UNSEEN = "unseen"
OTHER_SEQUENCE = "other_sequence"


class DistanceParts:
    """Divide frames that did not train by their distance to the nearest one of the same video sequence that did.

    Nets of several splits are compared on the same frames: those that trained none of them.

    Args:
        edges: seconds, rising; a part ends at each, itself included.
        splits: whose training frames are left out, beside the net's own.
        fewest: frames that a part must have to be scored; below it they are only counted.

    Raises:
        UserError: no edge, or edges that do not rise.

    >>> DistanceParts([1, 5]).parts
    ('within_1s', '1s_to_5s', 'beyond_5s', 'other_sequence')
    """

    def __init__(self, edges: Sequence[float], splits: Sequence[SplitRule] = (), fewest: int = 1) -> None:
        self.edges, self.splits, self.fewest = list(edges), list(splits), fewest
        if not self.edges or any(low >= high for low, high in zip([0.0, *self.edges], self.edges, strict=False)):
            raise UserError(f"probe.edges={self.edges}: set seconds that rise, such as [1, 5, 30]")
        inner = [f"{low:g}s_to_{high:g}s" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        self.parts = (f"within_{self.edges[0]:g}s", *inner, f"beyond_{self.edges[-1]:g}s", OTHER_SEQUENCE)

    def __call__(self, frames: Sequence[str], splits: Splits) -> dict[str, tuple[str, ...]]:
        """Return part name to frame ids, in the order of `frames`: all of them as `unseen`, then by their distance.

        Raises:
            UserError: a frame's name tells no time.
        """
        times: dict[str, list[float]] = {}
        for name in splits.train:
            sequence, time = seconds(name)
            times.setdefault(sequence, []).append(time)
        trained = set(splits.train).union(*(split(frames).train for split in self.splits))
        unseen = tuple(name for name in frames if name not in trained)
        found: dict[str, list[str]] = {part: [] for part in self.parts}
        for name in unseen:
            sequence, time = seconds(name)
            found[self._part(time, times.get(sequence, []))].append(name)
        return {UNSEEN: unseen} | {part: tuple(names) for part, names in found.items()}

    def _part(self, time: float, trained: Sequence[float]) -> str:
        if not trained:
            return OTHER_SEQUENCE
        distance = min(abs(time - other) for other in trained)
        return self.parts[bisect.bisect_left(self.edges, distance)]
