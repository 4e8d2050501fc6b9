"""A chart or a confusion matrix as a Matplotlib figure."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from msaseg.charts.chart import OURS, PAPER, Chart, Matrix, Series
from msaseg.figures.labels import Point, place
from msaseg.figures.style import GREY, INK, PALETTE, WIDTH, style

MARKERS = "os^vPXp"  # one more than colours: only after 42 series do two look alike
DODGE = 0.14  # between the series of one category, in categories
BARS = 0.8  # width of all the bars of one category, in categories
PRINTED: dict[str, Any] = {
    **{"marker": "D", "markersize": 6, "markerfacecolor": "white", "markeredgecolor": GREY},
    **{"linestyle": "none", "zorder": 4},
}
"""The paper's numbers: hollow grey diamonds in every figure."""


def draw(chart: Chart | Matrix) -> Figure:
    """Return the figure of a chart; what has no number is left empty."""
    with style():
        figure = _matrix(chart) if isinstance(chart, Matrix) else _chart(chart)
        engine: Any = figure.get_layout_engine()
        engine.execute(figure)
        figure.set_layout_engine("none")  # else it would be laid out anew for each file
        if isinstance(chart, Chart) and any(series.names for series in chart.series):
            _name(figure.axes[0], chart)
        return figure


def wrapped(title: str) -> str:
    """Return a title in lines that fit above a figure; a protocol's name stays beside the word."""
    return "\n".join(textwrap.wrap(title.replace("protocol ", "protocol\xa0"), 72)).replace("\xa0", " ")


def _chart(chart: Chart) -> Figure:
    labels = [series.label for series in chart.series]
    columns = 1 if max(map(len, labels)) > 38 else 2
    height = (4.3 if chart.log_x else 3.4) + 0.22 * -(-len(labels) // columns)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    handles = {"line": _lines, "points": _points, "bars": _bars}[chart.kind](axes, chart)
    axes.set_title(wrapped(chart.title))
    axes.set_xlabel(chart.x_title)
    axes.set_ylabel(chart.y_title)
    if chart.log_x:
        axes.set_xscale("log")
        axes.margins(x=0.25)  # room for names
        left, right = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if right > 100 * left else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
    return figure


def _lines(axes: Axes, chart: Chart) -> list[Any]:
    handles = []
    for number, series in enumerate(chart.series):
        if series.role == PAPER:
            handles += axes.plot(_numbers(series.x), _numbers(series.y), **PRINTED)
            continue
        colour, x, y, spread = _colour(series, number), _numbers(series.x), _numbers(series.y), _spread(series)
        dots = "." if len(x) <= 25 else None
        handles += axes.plot(x, y, color=colour, linestyle="--" if series.dashed else "-", marker=dots)
        axes.fill_between(x, y - spread, y + spread, color=colour, alpha=0.2, linewidth=0)
    axes.margins(x=0.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return handles


def _points(axes: Axes, chart: Chart) -> list[Any]:
    handles: list[Any] = []
    for number, series in enumerate(chart.series):
        x, y = _places(chart, number), _numbers(series.y)
        if series.role == PAPER:
            handles += axes.plot(x, y, **PRINTED)
            continue
        colour, mark = _colour(series, number), MARKERS[number % len(MARKERS)]
        looks: dict[str, Any] = {"fmt": mark, "markersize": 7, "markeredgecolor": "white", "capsize": 3}
        handles.append(axes.errorbar(x, y, _spread(series), color=colour, **looks))
    if chart.crosses_zero:
        axes.axhline(0, color=GREY, linewidth=0.8)
    if not chart.log_x:
        _categories(axes, chart.series[0].x)
    return handles


def _bars(axes: Axes, chart: Chart) -> list[Any]:
    handles: list[Any] = []
    count = sum(series.role == OURS for series in chart.series)
    width = BARS / max(1, count)
    for number, series in enumerate(chart.series):
        x, y, spread = np.arange(len(series.x)), _numbers(series.y), _spread(series)
        if series.role == PAPER:
            handles += axes.plot(x, y, **PRINTED)
            continue
        there = ~np.isnan(y)
        place = x[there] + (number - (count - 1) / 2) * width
        bars: dict[str, Any] = {"color": _colour(series, number), "ecolor": INK, "capsize": 2}
        handles.append(axes.bar(place, y[there], width * 0.92, yerr=spread[there], **bars))
    _categories(axes, chart.series[0].x)
    axes.set_ylim(bottom=0)
    return handles


def _matrix(matrix: Matrix) -> Figure:
    figure = Figure(figsize=(WIDTH, WIDTH * 0.92), layout="constrained")
    axes = figure.add_subplot()
    shares = np.array([[np.nan if share is None else 100 * share for share in line] for line in matrix.shares])
    n = len(matrix.classes)
    mesh = axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=100, edgecolors="white", linewidth=0.5)
    axes.set_facecolor("#eeeeee")  # a class that the test part does not have
    for row, column in np.ndindex(n, n):
        share = shares[row, column]
        if share >= 0.5:
            colour = "white" if share > 55 else INK
            axes.text(column + 0.5, row + 0.5, f"{share:.0f}", ha="center", va="center", color=colour)
    axes.set_xticks(np.arange(n) + 0.5, matrix.classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(n) + 0.5, matrix.classes)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.invert_yaxis()
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    axes.set_title(wrapped(matrix.title))
    figure.colorbar(mesh, ax=axes, label="Share of the true class's pixels (%)", shrink=0.7, pad=0.02)
    return figure


def _name(axes: Axes, chart: Chart) -> None:
    """Write the names of points, clear of all points and error bars."""
    points: list[Point] = []
    names: list[str] = []
    obstacles: list[tuple[Point, Point]] = []
    for number, series in enumerate(chart.series):
        x, y, spread = _places(chart, number), _numbers(series.y), np.nan_to_num(_spread(series))
        there = [(float(x[index]), float(y[index]), index) for index in map(int, np.flatnonzero(~np.isnan(y)))]
        points += [(across, up) for across, up, _ in there]
        names += [series.names[index] if series.names else "" for _, _, index in there]
        obstacles += [((across, up - spread[index]), (across, up + spread[index])) for across, up, index in there]
    place(axes, points, names, obstacles)


def _places(chart: Chart, number: int) -> np.ndarray:
    """Return the x of a series' points: its own, or its category's, moved aside from the other series'."""
    series = chart.series[number]
    if chart.kind != "points" or chart.log_x:
        return _numbers(series.x)
    return np.arange(len(series.x)) + (number - (len(chart.series) - 1) / 2) * DODGE


def _categories(axes: Axes, names: Sequence[object]) -> None:
    """Name the categories below the axis, broken into lines, or aslant where a word is too long for its place."""
    words = [str(name) for name in names]
    room = max(4, 66 // len(words))  # characters that fit below one category
    aslant = any(len(word) > room for name in words for word in name.split())
    texts = words if aslant else ["\n".join(textwrap.wrap(name, room)) for name in words]
    turned: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if aslant else {}
    axes.set_xticks(range(len(words)), texts, **turned)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(words) - 0.4)


def _colour(series: Series, number: int) -> str:
    return PALETTE[(number if series.colour is None else series.colour) % len(PALETTE)]


def _numbers(values: Sequence[object]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def _spread(series: Series) -> np.ndarray:
    return _numbers(series.spread) if series.spread else np.full(len(series.y), np.nan)
