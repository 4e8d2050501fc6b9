"""What a plot shows, apart from how it is drawn: Matplotlib and Plotly both draw from this."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

OURS, PAPER = "ours", "paper"


@dataclass(frozen=True)
class Series:
    """Points that share a colour and a line of the legend.

    Args:
        label: in the legend; names the protocol.
        x: numbers, or names of categories.
        y: numbers; None leaves a gap.
        spread: half the length of the bar at each y, None for none; empty for none at all. The sample standard
            deviation over seeds, unless the chart's note says otherwise.
        role: `OURS` for measured numbers, `PAPER` for printed ones.
        hover: a line on each point's origin, its runs separated by "; ", for interactive plots; empty for none.
        names: a label beside each point; empty for none.
        colour: number of the palette's colour; series that share one belong together, such as two curves of one
            net. None for the series' own place in the chart.
        dashed: whether a line is drawn broken: the second of two that share a colour.
    """

    label: str
    x: Sequence[float] | Sequence[str]
    y: Sequence[float | None]
    spread: Sequence[float | None] = ()
    role: str = OURS
    hover: Sequence[str] = ()
    names: Sequence[str] = ()
    colour: int | None = None
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """One plot.

    Args:
        id: stem of its files, such as `pooling_sweep-laptop`.
        title: says what is compared and under which protocol.
        kind: "line" (curves), "points" (markers joined by nothing), "bars" (grouped by series).
        x_title: axis title with unit.
        y_title: axis title with unit.
        series: what is drawn, in the order of the legend.
        note: one or two sentences below the plot: what a reader must know to read it rightly.
        records: files of the records that its numbers are from.
        table: id of the table that it belongs to, or "".
        log_x: whether the x axis is logarithmic.
    """

    id: str
    title: str
    kind: str
    x_title: str
    y_title: str
    series: Sequence[Series]
    note: str = ""
    records: Sequence[Path] = field(default=())
    table: str = ""
    log_x: bool = False

    @property
    def crosses_zero(self) -> bool:
        """Whether a number, or its bar, is below zero."""
        spreads = ((series.y, series.spread or [None] * len(series.y)) for series in self.series)
        pairs = (pair for ys, spread in spreads for pair in zip(ys, spread, strict=True))
        return any(y is not None and y - (half or 0) < 0 for y, half in pairs)


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Args:
        id: stem of its files.
        title: names net and protocol.
        classes: names of rows and columns.
        shares: share of each true class's pixels, 0 to 1, that was given each class; rows truth; None for an
            absent class.
        counts: the same in pixels.
        note: as of `Chart`.
        records: as of `Chart`.
        table: as of `Chart`.
    """

    id: str
    title: str
    classes: Sequence[str]
    shares: Sequence[Sequence[float | None]]
    counts: Sequence[Sequence[int]]
    note: str = ""
    records: Sequence[Path] = field(default=())
    table: str = ""
