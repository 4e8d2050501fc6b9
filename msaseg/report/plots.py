"""A chart as a Plotly figure in plain JSON values.

Colours are tokens such as "@ink" or "@series0/0.2": the page's script replaces each by the colour that the page has
now, so that one figure serves light, dark and print. Texts are escaped, because Plotly reads some HTML in them.
"""

import html
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from msaseg.charts.chart import PAPER, Chart, Series

COLOURS = 6
"""How many series colours the page's style sheet has."""

CLEAR = "rgba(0,0,0,0)"
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
DODGE = 0.14  # between the series of one category, in categories
LINE = 40  # characters that fit below an axis on the narrowest screens
PHONE = 34  # of a legend or a title
SLANT = -60
MARKERS = ("circle", "square", "triangle-up", "triangle-down", "pentagon", "x", "star")  # one more than colours

Json = dict[str, Any]


def plot(chart: Chart) -> Json:
    """Return a chart's traces and layout; what has no number is left out."""
    traces: list[Json] = []
    for number, series in enumerate(chart.series):
        colour = f"@series{(number if series.colour is None else series.colour) % COLOURS}"
        if series.role == PAPER:
            traces.append(_printed(chart, series, number))
        elif chart.kind == "line":
            traces += _curve(chart, series, colour, number)
        elif chart.kind == "bars":
            traces.append(_trace(chart, series, {"type": "bar", "marker": {"color": colour}}))
        else:
            traces.append(_points(chart, series, colour, number))
    return {"data": traces, "layout": _layout(chart)}


def layout(x_title: str, y_title: str, height: int) -> Json:
    """Return what all plots look like."""
    axis: Json = {
        "automargin": True,
        "zeroline": False,
        "gridcolor": "@rule",
        "linecolor": "@rule",
        "tickcolor": "@rule",
    }
    return {
        "height": height,
        "autosize": True,
        "margin": {"l": 52, "r": 12, "t": 12, "b": 44},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"family": FONT, "size": 13, "color": "@ink"},
        "hoverlabel": {
            "align": "left",
            "bgcolor": "@card",
            "bordercolor": "@soft",
            "font": {"family": FONT, "size": 13, "color": "@ink"},
            "namelength": -1,
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemclick": "toggle"},
        "xaxis": {**axis, "title": {"text": _broken(x_title), "standoff": 8}, "showgrid": False},
        "yaxis": {**axis, "title": {"text": escape(y_title), "standoff": 8}},
    }


def escape(text: object) -> str:
    """Return a text that Plotly shows as it is."""
    return html.escape(str(text), quote=False)


def _broken(text: str) -> str:
    """Return a text that Plotly shows in lines which fit a phone."""
    return "<br>".join(escape(line) for line in textwrap.wrap(text, PHONE))


def rounded(value: float | None) -> float | None:
    """Return a number with as many digits as a plot can show."""
    return None if value is None else float(f"{value:.6g}")


def _layout(chart: Chart) -> Json:
    height = (440 if chart.log_x else 340) + 22 * len(chart.series)
    look = layout(chart.x_title, chart.y_title, height)
    if chart.log_x:
        values = _decades(x for series in chart.series for x in series.x if not isinstance(x, str))
        ticks = {"tickvals": values, "ticktext": [f"{value:g}" for value in values]}
        look["xaxis"] |= {"type": "log", "showgrid": True, **ticks}
    elif chart.kind == "points":
        if chart.crosses_zero:
            look["yaxis"] |= {"zeroline": True, "zerolinecolor": "@soft"}
        names = [str(x) for x in chart.series[0].x]
        look["xaxis"] |= _categories(names)
        if look["xaxis"]["tickangle"]:
            look["height"] += 5 * max(map(len, names))  # so that the plot above the names stays as tall
    elif chart.kind == "bars":
        look |= {"barmode": "group", "bargap": 0.25}
        look["xaxis"] |= {"type": "category", "tickangle": SLANT}
        look["yaxis"]["rangemode"] = "tozero"
    return look


def _categories(names: Sequence[str]) -> Json:
    """Return an axis that names the categories 0, 1, 2 ... below it, broken into lines, or slanted if they are many."""
    axis = {"tickvals": list(range(len(names))), "range": [-0.6, len(names) - 0.4]}
    room = LINE // len(names)
    if any(len(word) > room for name in names for word in name.split()):
        return axis | {"ticktext": [escape(name) for name in names], "tickangle": SLANT}
    broken = ["<br>".join(escape(line) for line in _lines(name, room)) for name in names]
    return axis | {"ticktext": broken, "tickangle": 0}


def _lines(name: str, room: int) -> list[str]:
    """Return a name in as few lines as fit, all about as long.

    >>> _lines("within 1 s", 8)
    ['within', '1 s']
    """
    fewest = len(textwrap.wrap(name, room, break_long_words=False))
    every = (textwrap.wrap(name, width, break_long_words=False) for width in range(1, room + 1))
    return next((lines for lines in every if len(lines) == fewest), [name])


def _decades(values: Iterable[float]) -> list[float]:
    """Return the ticks 1, 2 and 5 of each power of ten that the values reach, of many powers 1 and 3."""
    exponents = [math.floor(math.log10(value)) for value in values]
    steps = (1, 3) if max(exponents) - min(exponents) > 1 else (1, 2, 5)
    return [
        float(f"{step * 10.0**exponent:g}") for exponent in range(min(exponents), max(exponents) + 1) for step in steps
    ]


def _trace(chart: Chart, series: Series, look: Json) -> Json:
    error = {"type": "data", "array": [rounded(value) for value in series.spread], "color": "@ink", "thickness": 1.2}
    return {
        "name": _broken(series.label),
        "cliponaxis": False,
        "x": [escape(value) if isinstance(value, str) else rounded(value) for value in series.x],
        "y": [rounded(value) for value in series.y],
        "hovertext": [_hover(chart, series, point) for point in range(len(series.y))],
        "hoverinfo": "text",
        "showlegend": True,
        **({"error_y": error} if any(value is not None for value in series.spread) else {}),
        **look,
    }


def _points(chart: Chart, series: Series, colour: str, number: int) -> Json:
    marker = {"color": colour, "size": 10, "symbol": MARKERS[number % len(MARKERS)]}
    look: Json = {"type": "scatter", "mode": "markers", "marker": marker}
    if series.names:
        look["text"] = [escape(name) for name in series.names]  # the page's script finds room for each
    return _trace(chart, series, look | _places(chart, number))


def _places(chart: Chart, number: int) -> Json:
    """Return the x of a series' points: its own, or its category's, moved aside from the other series'."""
    if chart.kind != "points" or chart.log_x:
        return {}
    aside = (number - (len(chart.series) - 1) / 2) * DODGE
    return {"x": [rounded(place + aside) for place in range(len(chart.series[number].x))]}


def _printed(chart: Chart, series: Series, number: int) -> Json:
    """The paper's numbers: hollow grey diamonds in every plot."""
    marker = {"color": "@page", "size": 10, "symbol": "diamond", "line": {"color": "@soft", "width": 1.8}}
    look: Json = {"type": "scatter", "mode": "markers", "marker": marker}
    return _trace(chart, series, look | _places(chart, number))


def _curve(chart: Chart, series: Series, colour: str, number: int) -> list[Json]:
    """Return a line, below it a band of its spread if it has one."""
    line = {"color": colour, "width": 2, "dash": "dash" if series.dashed else "solid"}
    trace = _trace(chart, series, {"type": "scatter", "mode": "lines", "line": line, "legendgroup": str(number)})
    trace.pop("error_y", None)
    band = [
        (x, y, deviation)
        for x, y, deviation in zip(series.x, series.y, series.spread, strict=bool(series.spread))
        if y is not None and deviation is not None
    ]
    if not band:
        return [trace]
    xs, upper = [x for x, _, _ in band], [y + deviation for _, y, deviation in band]
    lower = [y - deviation for _, y, deviation in band]
    shade: Json = {
        "type": "scatter",
        "mode": "lines",
        "x": xs + xs[::-1],
        "y": [rounded(value) for value in upper + lower[::-1]],
        "fill": "toself",
        "fillcolor": f"{colour}/0.18",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": str(number),
    }
    return [shade, trace]


def _hover(chart: Chart, series: Series, point: int) -> str:
    """Return what a point says: its series, what it is of, its number with the spread, and its runs."""
    value, spread = series.y[point], series.spread[point] if series.spread else None
    if value is None:
        return ""
    form = "g" if series.role == PAPER else ".4g" if chart.kind == "line" else ".2f"
    number = f"{value:{form}}" + (f" ± {spread:{form}}" if spread is not None else "")
    lines = [f"<b>{escape(series.label)}</b>", *_where(chart, series, point)]
    lines.append(f"{escape(chart.y_title)}: {number}")
    lines += [escape(line) for line in (series.hover[point].split("; ") if series.hover else []) if line]
    return "<br>".join(lines)


def _where(chart: Chart, series: Series, point: int) -> Sequence[str]:
    x = series.x[point]
    at = escape(x) if isinstance(x, str) else f"{escape(chart.x_title)}: {x:.4g}"
    return [*([escape(series.names[point])] if series.names and chart.log_x else []), at]
