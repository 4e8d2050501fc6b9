"""Small pictures side by side, each drawn pixel for pixel, with the classes' colours below."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from msaseg.classes import CLASSES, PALETTE
from msaseg.data.frames import Pixels
from msaseg.figures.style import DPI, GREY, style

WIDTH = 240  # pixels of a panel at most: enough for a quotation, too little to train on
GAP = 10  # pixels between panels and around them
TITLE = 28  # pixels for the line above a panel
ENTRY = 28  # pixels of a line of the legend
LINE = 19  # pixels of a line of the source
LETTER = 9  # pixels of a letter of the source


class Panel(NamedTuple):
    """One small picture: (h, w, 3) uint8 RGB and the line above it."""

    pixels: Pixels
    title: str


def enlarged(pixels: Pixels) -> Pixels:
    """Return a picture with each pixel repeated as often as fits into a panel's width."""
    times = max(1, WIDTH // pixels.shape[1])
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


@style()
def sheet(rows: Sequence[Sequence[Panel]], source: str, classes: Sequence[str] = ()) -> Figure:
    """Return panels in rows, a legend of these classes, and a line that names the source.

    All panels of a column have one width, all of a row one height.
    """
    widths = [panel.pixels.shape[1] for panel in rows[0]]
    heights = [row[0].pixels.shape[0] for row in rows]
    width = sum(widths) + GAP * (len(widths) + 1)
    columns = max(1, width // 150)
    lines = -(-len(classes) // columns)
    words = textwrap.wrap(source, width // LETTER)
    below = ENTRY * lines + LINE * len(words) + 2 * GAP
    height = sum(heights) + TITLE * len(rows) + below
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    top = height
    for row, tall in zip(rows, heights, strict=True):
        left = GAP
        for panel, wide in zip(row, widths, strict=True):
            where = (left / width, (top - TITLE - tall) / height, wide / width, tall / height)
            _draw(figure, panel, where)
            left += wide + GAP
        top -= TITLE + tall
    if classes:
        patches = [Patch(facecolor=PALETTE[CLASSES.index(name)] / 255, label=name) for name in classes]
        figure.legend(
            handles=patches,
            loc="upper left",
            bbox_to_anchor=(0, (below - GAP / 2) / height),
            ncols=columns,
            fontsize=8.5,
            columnspacing=1.2,
            handlelength=1.2,
            borderaxespad=0.3,
        )
    figure.text(GAP / width, GAP / height, "\n".join(words), fontsize=7.5, color=GREY, va="bottom")
    return figure


def _draw(figure: Figure, panel: Panel, where: tuple[float, float, float, float]) -> None:
    axes = figure.add_axes(where)
    axes.imshow(panel.pixels, interpolation="none", aspect="auto")
    axes.set_title(panel.title, fontsize=8.5, fontweight="normal", pad=3)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.4)
