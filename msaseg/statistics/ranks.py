"""Whether two rankings agree by more than chance."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple


class RankCorrelation(NamedTuple):
    """Kendall's tau, from -1 (reversed) to 1 (equal), and its p.

    Args:
        tau: pairs in the same order less pairs in the other, over all pairs; a pair tied on either side is neither.
        p: share of all orders of one side that correlate at least as strongly, whatever the sign.
    """

    tau: float
    p: float


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> RankCorrelation:
    """Compare the order of the same things by two numbers; p is exact where neither side has ties.

    Raises:
        ValueError: fewer than two things, or sides of different length.

    >>> rank_correlation([1, 2, 3, 4], [10, 20, 30, 40])
    RankCorrelation(tau=1.0, p=0.08333333333333333)
    """
    if len(a) < 2:
        raise ValueError("a rank correlation needs two things or more")
    pairs = list(itertools.combinations(zip(a, b, strict=True), 2))
    score = sum(_sign(x1 - x0) * _sign(y1 - y0) for (x0, y0), (x1, y1) in pairs)
    by_inversions = _orders_by_inversions(len(a))
    as_strong = sum(
        count for inversions, count in enumerate(by_inversions) if abs(len(pairs) - 2 * inversions) >= abs(score)
    )
    return RankCorrelation(score / len(pairs), as_strong / sum(by_inversions))


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _orders_by_inversions(things: int) -> list[int]:
    """Return how many orders of so many things have 0, 1, 2, ... pairs the wrong way round."""
    counts = [1]
    for more in range(1, things):
        longer = [0] * (len(counts) + more)
        for shift in range(more + 1):
            for inversions, count in enumerate(counts):
                longer[inversions + shift] += count
        counts = longer
    return counts
