"""Boxes, edges and words on an empty sheet measured in inches."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from msaseg.figures.style import GREY, INK

Point = tuple[float, float]

SIZE = 8.5  # points of type
HALF = 0.21  # half the height of a box of two lines


class Pen(NamedTuple):
    """What an edge or a box's rim is drawn with."""

    colour: str = INK
    line: str = "-"


PLAIN = Pen()


class Boxes:
    """A figure without axes, its origin at the bottom left.

    Args:
        width: inches.
        height: inches.
    """

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height))
        self.axes.axis("off")

    def text(self, x: float, y: float, words: str, align: str = "left", size: float = SIZE, bold: bool = False) -> None:
        """Words at a place, on white so that an edge below them does not disturb."""
        self.axes.text(
            x,
            y,
            words,
            ha=align,
            va="center",
            fontsize=size,
            fontweight="bold" if bold else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            zorder=4,
        )

    def box(
        self, x: float, y: float, width: float, words: str, fill: str = GREY, pen: Pen = PLAIN, half: float = HALF
    ) -> None:
        """A box about a place with words in it; its ground is a light tint of `fill`."""
        corner, round_off = (x - width / 2, y - half), "round,pad=0,rounding_size=0.06"
        looks: dict[str, Any] = {"facecolor": _tint(fill), "edgecolor": pen.colour, "linewidth": 0.8, "zorder": 3}
        self.axes.add_patch(FancyBboxPatch(corner, width, 2 * half, boxstyle=round_off, **looks))
        self.axes.text(x, y, words, ha="center", va="center", fontsize=SIZE, zorder=5, linespacing=1.15)

    def line(self, corners: Sequence[Point], pen: Pen = PLAIN) -> None:
        """An edge without a head, through these corners."""
        x, y = zip(*corners, strict=True)
        self.axes.plot(x, y, linewidth=0.9, zorder=2, color=pen.colour, linestyle=pen.line)

    def arrow(self, start: Point, end: Point, pen: Pen = PLAIN) -> None:
        """An edge with a head at its end."""
        looks = {"arrowstyle": "-|>", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
        self.axes.annotate("", end, start, arrowprops=looks | {"color": pen.colour, "linestyle": pen.line}, zorder=2)


def _tint(colour: str) -> tuple[float, ...]:
    return tuple(1 - 0.2 * (1 - part) for part in to_rgb(colour))
