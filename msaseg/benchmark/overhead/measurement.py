"""What is measured: a requirement, the values, and whether they meet it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Measurement:
    """What was measured, and the requirement that it is held against if there is one.

    Args:
        what: is measured, in words.
        unit: "times" for ratios, of which the median counts, or "s", of which the best counts.
        values: of each pair of turns, or of each call, in the order measured.
        absolute: what the ratio is made of, each number under a name with its unit.
        limit: the requirement; None for a number that is only to be known.
        at_most: whether the result must not be above the limit; else not below it.
    """

    what: str
    unit: str
    values: list[float]
    absolute: dict[str, float]
    limit: float | None = None
    at_most: bool = True

    @property
    def result(self) -> float:
        """The number that stands for all values."""
        return median(self.values) if self.unit == "times" else min(self.values)

    @property
    def met(self) -> bool:
        """Whether the requirement, if any, holds."""
        if self.limit is None:
            return True
        return self.result <= self.limit if self.at_most else self.result >= self.limit

    @property
    def required(self) -> str:
        """The requirement in words."""
        if self.limit is None:
            return "nothing"
        return f"{'at most' if self.at_most else 'at least'} {self.limit:g} {self.unit}"


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Return the ratio of each pair of turns.

    >>> ratios([2.0, 3.0], [1.0, 2.0])
    [2.0, 1.5]
    """
    return [round(a / b, 4) for a, b in zip(numerators, denominators, strict=True)]


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    """Return the numbers to four significant digits."""
    return {name: float(f"{value:.4g}") for name, value in numbers.items()}
