"""The spread over seeds: what the draw of the initialisation and of the frames' order does to a score."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import variance


@dataclass(frozen=True)
class SeedSpread:
    """The standard deviation of a score over seeds.

    Args:
        sd: in the unit of the scores.
        df: degrees of freedom: the scores it was taken from less the rows they belong to.
    """

    sd: float
    df: int


def seed_spread(rows: Iterable[Sequence[float]]) -> SeedSpread | None:
    """Pool the spread of the rows that have several seeds, each row about its own mean.

    A row of n seeds weighs n - 1. That all rows spread alike is assumed.

    Args:
        rows: the scores of a row's seeds; a row of one seed tells nothing.

    Returns:
        None if no row has two seeds.

    >>> seed_spread([[70.0, 72.0], [60.0, 61.0, 62.0], [50.0]])
    SeedSpread(sd=1.1547005383792515, df=3)
    """
    several = [row for row in rows if len(row) > 1]
    df = sum(len(row) - 1 for row in several)
    if df == 0:
        return None
    squares = sum((len(row) - 1) * variance(row) for row in several)
    return SeedSpread(math.sqrt(squares / df), df)


def seed_noise_bound(spread: SeedSpread, factors: Iterable[float]) -> float:
    """Return how far a sum of scores, times factors, strays by the runs' seeds alone in 95 of 100 cases.

    An effect below it may be the seeds'. It says nothing about the frames.

    Args:
        spread: of one run's score over seeds.
        factors: one a run: 1 and -1 for a difference of two, 1/2, 1/2 and -1 if one side is a mean of two.

    Returns:
        the two-sided 95 % half-width, Student's t times the standard error, in the unit of the spread.

    >>> round(seed_noise_bound(SeedSpread(1.0, 10), [1, -1]), 3)
    3.151
    """
    from scipy.special import stdtrit  # slow to load

    return float(stdtrit(spread.df, 0.975)) * spread.sd * math.sqrt(sum(factor**2 for factor in factors))
