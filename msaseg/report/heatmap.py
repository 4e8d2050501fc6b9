"""A confusion matrix as a Plotly figure in plain JSON values."""

from msaseg.charts.chart import Matrix
from msaseg.report.plots import Json, escape, layout, rounded

SHOWN = 0.005
"""Shares from here on are written into their cell."""


def heatmap(matrix: Matrix) -> Json:
    """Return a matrix' trace and layout; a class that the test part does not have is left empty."""
    names = [escape(name) for name in matrix.classes]
    shares = [[None if share is None else rounded(100 * share) for share in line] for line in matrix.shares]
    trace: Json = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": shares,
        "zmin": 0,
        "zmax": 100,
        "text": [
            [f"{100 * share:.0f}" if share and share >= SHOWN else "" for share in line] for line in matrix.shares
        ],
        "texttemplate": "%{text}",
        "customdata": [list(line) for line in matrix.counts],
        "hovertemplate": "true %{y}, predicted %{x}<br>%{z:.2f} % of the true class's pixels: "
        "%{customdata:,}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[0, "@series0/0"], [1, "@series0/0.55"]],  # light enough for the numbers
        "textfont": {"color": "@ink"},
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    look = layout("Predicted", "True", 190 + 28 * len(names))
    look["yaxis"] |= {"autorange": "reversed", "showgrid": False, "type": "category"}
    look["xaxis"] |= {"tickangle": -45, "type": "category"}
    return {"data": [trace], "layout": look}
