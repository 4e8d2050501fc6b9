"""How every figure looks, and how it is written so that the same content gives the same bytes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours: told apart with any kind of colour vision, and in grey by their order."""

GREY = "#6b6b6b"
INK = "#222222"
DPI = 150
WIDTH = 6.4  # inches
KEPT = 32  # colours of a picture that its PNG has exactly
RGB = np.array([1, 1 << 8, 1 << 16], np.int32)  # times a pixel: one number a colour

RULES: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with Matplotlib: the same glyphs on every machine
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "msaseg",  # ids that do not change from one drawing to the next
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and write under the suite's rules, whatever the machine's own say."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RULES)
        yield


def rendered(figure: Figure, title: str) -> dict[str, bytes]:
    """Return a figure's files by suffix, ".png" and ".svg".

    Neither holds a date or a version, so drawing again changes no byte. The PNG has 256 colours: with a photograph in
    it that is half the size, and the eye does not see it.

    Args:
        figure: to write.
        title: of the SVG, for who cannot see it.
    """
    drawing, small = io.BytesIO(), io.BytesIO()
    with style():  # through the canvases, since `savefig` goes through a figure twice for each file
        drawing_canvas: Any = FigureCanvasSVG(figure)
        drawing_canvas.print_svg(drawing, metadata={"Date": None, "Creator": None, "Title": title})
        figure.set_dpi(DPI)
        picture_canvas: Any = FigureCanvasAgg(figure)
        picture_canvas.draw()
    image = Image.fromarray(np.asarray(picture_canvas.buffer_rgba())).convert("RGB")
    _reduced(image).save(small, "png", optimize=True, dpi=(DPI, DPI))
    return {".png": small.getvalue(), ".svg": drawing.getvalue()}


def _reduced(image: Image.Image) -> Image.Image:
    """Return a picture in 256 colours; its most frequent ones, such as those of a legend, stay exactly as they are."""
    colours = image.getcolors(image.width * image.height) or []
    frequent = np.array([colour for _, colour in sorted(colours, reverse=True)[:KEPT]], np.uint8)
    others = image.quantize(256 - KEPT)
    pixels, numbers = np.asarray(image) @ RGB, np.array(others)
    for number, colour in enumerate(frequent @ RGB, start=256 - KEPT):
        numbers[pixels == colour] = number
    reduced = Image.fromarray(numbers)
    palette = [*(others.getpalette() or [])]
    palette += [0] * (3 * (256 - KEPT) - len(palette))
    reduced.putpalette([*palette[: 3 * (256 - KEPT)], *frequent.flatten().tolist()])
    return reduced
