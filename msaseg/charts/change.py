"""By how much each row of an ablation differs from the first: the paper's rows and ours."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from msaseg.charts.chart import PAPER, Chart, Series
from msaseg.charts.plotted_table import PlottedTable, number, origin
from msaseg.charts.scores import SCORE, row_scores
from msaseg.tables.decide import change_over_frames
from msaseg.tables.runs import Run

BARS = "Bars: 95 % of the change over the test frames, for these seeds."


def change_from_first(plotted: PlottedTable) -> list[Chart]:
    """Return the change of mIoU from the table's first row, in points; mIoU itself where no change is measured.

    Ours is between runs of the same seeds; its bar is the half-width of the paired 95 % interval over frames.
    """
    table, rows = plotted.table, plotted.table.rows
    first, *others = rows
    labels = [rows[row].label for row in others]
    pairs = {row: _pairs(plotted, row, first) for row in others}
    changes = [_change(pairs[row]) for row in others]
    printed = [number(table.printed(row, SCORE)) for row in rows]
    start = printed[0]
    paper = [None if value is None or start is None else value - start for value in printed[1:]]
    ours = Series(
        label=f"ours, {plotted.protocol}",
        x=labels,
        y=[None if change is None else change[0] for change in changes],
        spread=[None if change is None else change[1] for change in changes],
        hover=["; ".join(origin(run) for run, _ in pairs[row]) for row in others],
    )
    if all(y is None for y in ours.y):
        return row_scores(plotted)
    keys = [(row, SCORE) for row in rows]
    reason = table.untestable.get(plotted.protocol)
    untestable = f"No verdict comes from this protocol: {reason}." if reason else ""
    measured = [BARS] if any(spread is not None for spread in ours.spread) else []
    words = [_seeds(pairs.values()), *plotted.marked(keys), *measured, untestable, table.note]
    return [
        Chart(
            id=plotted.id,
            title=f"{table.short}: change from “{rows[first].label}”, protocol {plotted.protocol}",
            kind="points",
            x_title=table.row_header,
            y_title="Change of mIoU (points)",
            series=[ours, *([Series("paper, as printed", labels, paper, role=PAPER)] if any(paper) else [])],
            note=" ".join(filter(None, words)),
            records=tuple(dict.fromkeys(run.path for found in pairs.values() for pair in found for run in pair)),
            table=table.id,
        )
    ]


def _pairs(plotted: PlottedTable, row: str, first: str) -> list[tuple[Run, Run]]:
    """Return the runs of a row, each with the first row's of the same seed."""
    here, there = ({run.seed: run for run in plotted.runs(one) if SCORE in run.values} for one in (row, first))
    return [(here[seed], there[seed]) for seed in sorted(here.keys() & there.keys())]


def _change(pairs: Sequence[tuple[Run, Run]]) -> tuple[float, float | None] | None:
    """Return the mean change over pairs of runs, and half its interval; None without a pair."""
    if not pairs:
        return None
    change = fmean(run.number(SCORE) - first.number(SCORE) for run, first in pairs)
    runs = [(sign / len(pairs), run) for pair in pairs for sign, run in zip((1.0, -1.0), pair, strict=True)]
    found = change_over_frames(runs)
    return change, None if found is None or found.high is None else found.high - found.estimate


def _seeds(rows: Iterable[Sequence[tuple[Run, Run]]]) -> str:
    counts = sorted({len(pairs) for pairs in rows if pairs})
    most = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return "One seed." if counts == [1] else f"Mean over the {most} seeds that a row shares with the first."
