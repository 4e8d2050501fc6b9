"""Whether two rankings agree by more than chance."""

import itertools
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np


class RankCorrelation(NamedTuple):
    """Kendall's tau, from -1 (reversed) to 1 (equal), and its p.

    Args:
        tau: pairs in the same order less pairs in the other, over all pairs; a pair tied on either side is neither.
        p: share of all orders of one side that correlate at least as strongly, whatever the sign; where pairs
            are tied, an upper bound of it.
    """

    tau: float
    p: float


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> RankCorrelation:
    """Compare the order of the same things by two numbers.

    Raises:
        ValueError: fewer than two things, or sides of different length.

    >>> rank_correlation([1, 2, 3, 4], [10, 20, 30, 40])
    RankCorrelation(tau=1.0, p=0.08333333333333333)
    """
    if len(a) < 2:
        raise ValueError("a rank correlation needs two things or more")
    pairs = list(itertools.combinations(zip(a, b, strict=True), 2))
    signs = [np.sign(x1 - x0) * np.sign(y1 - y0) for (x0, y0), (x1, y1) in pairs]
    score, tied = sum(signs), signs.count(0)
    # how many orders of the things have 0, 1, 2, ... pairs the wrong way round
    orders = reduce(np.convolve, [np.ones(places) for places in range(1, len(a) + 1)])
    as_strong = np.abs(len(pairs) - 2 * np.arange(len(orders))) >= abs(score) - tied  # each tie broken against it
    return RankCorrelation(float(score / len(pairs)), float(orders[as_strong].sum() / orders.sum()))
