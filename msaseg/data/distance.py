"""How far the frames of a film are from those that a net was trained on."""

import bisect
from collections.abc import Sequence

from msaseg.data.film import seconds
from msaseg.data.splits import Splits
from msaseg.errors import UserError

OTHER_FILM = "other_film"


class DistanceParts:
    """Divide the frames that did not train by their distance to the nearest one of the same film that did.

    Args:
        edges: seconds, rising; a part ends at each, itself included.

    Raises:
        UserError: no edge, or edges that do not rise.

    >>> DistanceParts([1, 5]).parts
    ('within_1s', '1s_to_5s', 'beyond_5s', 'other_film')
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = list(edges)
        if not self.edges or any(low >= high for low, high in zip([0.0, *self.edges], self.edges, strict=False)):
            raise UserError(f"probe.edges={self.edges}: set seconds that rise, such as [1, 5, 30]")
        inner = [f"{low:g}s_to_{high:g}s" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        self.parts = (f"within_{self.edges[0]:g}s", *inner, f"beyond_{self.edges[-1]:g}s", OTHER_FILM)

    def __call__(self, frames: Sequence[str], splits: Splits) -> dict[str, tuple[str, ...]]:
        """Return part name to frame ids, in the order of `frames`; a part may be empty.

        Raises:
            UserError: a frame's name tells no time.
        """
        times: dict[str, list[float]] = {}
        for name in splits.train:
            film, time = seconds(name)
            times.setdefault(film, []).append(time)
        found: dict[str, list[str]] = {part: [] for part in self.parts}
        trained = set(splits.train)
        for name in frames:
            if name not in trained:
                film, time = seconds(name)
                found[self._part(time, times.get(film, []))].append(name)
        return {part: tuple(names) for part, names in found.items()}

    def _part(self, time: float, trained: Sequence[float]) -> str:
        if not trained:
            return OTHER_FILM
        distance = min(abs(time - other) for other in trained)
        return self.parts[bisect.bisect_left(self.edges, distance)]
