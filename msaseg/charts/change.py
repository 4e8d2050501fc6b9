"""By how much each row of an ablation differs from the first: the paper's rows and ours."""

from collections.abc import Mapping
from statistics import fmean

from msaseg.charts.chart import PAPER, Chart, Series
from msaseg.charts.plotted_table import PlottedTable, number
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
    changes = [_change(plotted, row, first) for row in others]
    printed = [number(table.printed(row, SCORE)) for row in rows]
    start = printed[0]
    paper = [None if value is None or start is None else value - start for value in printed[1:]]
    ours = Series(
        label=f"ours, {plotted.protocol}",
        x=labels,
        y=[None if change is None else change[0] for change in changes],
        spread=[None if change is None else change[1] for change in changes],
        hover=[plotted.origins(row) for row in others],
    )
    if all(y is None for y in ours.y):
        return row_scores(plotted)
    keys = [(row, SCORE) for row in rows]
    reason = table.untestable.get(plotted.protocol)
    untestable = f"No verdict comes from this protocol: {reason}." if reason else ""
    measured = [BARS] if any(spread is not None for spread in ours.spread) else []
    return [
        Chart(
            id=plotted.id,
            title=f"{table.short}: change from “{rows[first].label}”, protocol {plotted.protocol}",
            kind="points",
            x_title=table.row_header,
            y_title="Change of mIoU (points)",
            series=[ours, *([Series("paper, as printed", labels, paper, role=PAPER)] if any(paper) else [])],
            note=plotted.note(keys, *measured, untestable),
            records=plotted.records(),
            table=table.id,
        )
    ]


def _change(plotted: PlottedTable, row: str, first: str) -> tuple[float, float | None] | None:
    """Return the change between two rows over the seeds that both have, and half its interval."""
    here, there = _scored(plotted, row), _scored(plotted, first)
    shared = sorted(here.keys() & there.keys())
    if not shared:
        return None
    change = fmean(here[seed].number(SCORE) - there[seed].number(SCORE) for seed in shared)
    runs = [(sign / len(shared), of[seed]) for of, sign in ((here, 1.0), (there, -1.0)) for seed in shared]
    found = change_over_frames(runs)
    return change, None if found is None or found.high is None else found.high - found.estimate


def _scored(plotted: PlottedTable, row: str) -> Mapping[int, Run]:
    return {run.seed: run for run in plotted.runs(row) if SCORE in run.values}
