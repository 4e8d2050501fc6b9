"""Scores class by class: bars of the IoU, and confusion matrices."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msaseg.charts.chart import Chart, Matrix, Series
from msaseg.charts.plotted_table import PlottedTable

PREFIX = "iou_pct."
SUMMED = "Test pixels, summed over the seeds; a row is a true class, its numbers per cent of that class's pixels."


def class_scores(plotted: PlottedTable) -> list[Chart | Matrix]:
    """Return the bars of all nets, then the confusion matrix of each."""
    return [_bars(plotted), *(_confusion(plotted, row) for row in plotted.table.rows if plotted.runs(row))]


def _bars(plotted: PlottedTable) -> Chart:
    table = plotted.table
    columns = [column for column in table.columns if column.startswith(PREFIX)]
    x = [column.removeprefix(PREFIX) for column in columns]
    keys = {row: [(row, column) for column in columns] for row in table.rows if plotted.runs(row)}
    ours: list[Series] = []
    printed: list[Series] = []
    for place, (row, content) in enumerate(table.rows.items()):
        if row in keys:  # a net has one colour under every protocol
            ours.append(replace(plotted.ours(f"{content.label}, {plotted.protocol}", x, keys[row]), colour=place))
            printed += plotted.printed(f"paper, {content.label}", x, keys[row])
    once = len({tuple(series.y) for series in printed}) == 1  # the nets are rivals for the same printed numbers
    paper = [replace(printed[0], label="paper, as printed")] if once else printed
    note = plotted.note([key for row in keys.values() for key in row])
    return plotted.chart("bars", "Class", "IoU (%)", [*ours, *paper], note)


def _confusion(plotted: PlottedTable, row: str) -> Matrix:
    runs = plotted.runs(row)
    records = [run.trained for run in runs]
    seeds = ", ".join(str(run.seed) for run in runs)
    counts = np.sum([record.confusion["test"] for record in records], axis=0).tolist()
    return Matrix(
        id=f"{plotted.id}-confusion-{row}",
        title=f"Confusion matrix: {plotted.table.rows[row].label}, protocol {plotted.protocol}",
        classes=records[0].classes,
        shares=[_shares(line) for line in counts],
        counts=counts,
        note=" ".join([f"Seeds: {seeds}.", SUMMED, *plotted.marked([(row, "miou_pct")])]),
        records=[run.path for run in runs],
        table=plotted.table.id,
    )


def _shares(line: Sequence[int]) -> list[float | None]:
    total = sum(line)
    return [count / total if total else None for count in line]
