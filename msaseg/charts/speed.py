"""mIoU against speed, both measured on images of one size, beside what the paper prints."""

from msaseg.charts.chart import PAPER, Chart, Series
from msaseg.charts.plotted_table import PlottedTable, number, seeds
from msaseg.charts.scores import SCORE, row_scores
from msaseg.tables.runs import SPEED

DEVICES = ("cuda", "cpu")


def speed_accuracy(plotted: PlottedTable) -> list[Chart]:
    """Return mIoU row by row, and mIoU against the frames a second of each kind of device that was measured.

    A row that was scored on images of another size than its speed is left out of the latter.
    """
    return [*row_scores(plotted), *(chart for kind in DEVICES for chart in _against_speed(plotted, kind))]


def _against_speed(plotted: PlottedTable, kind: str) -> list[Chart]:
    cells, column = plotted.filled.cells, f"{SPEED}{kind}.fps"
    if not {column, SCORE} <= plotted.table.columns.keys():
        return []
    measured = {run.row: run for run in plotted.filled.speeds if column in run.values}
    rows = [
        row
        for row, run in measured.items()
        if cells[row, SCORE].mean is not None and all(scored.size == run.size for scored in plotted.runs(row))
    ]
    if not rows:
        return []
    example = measured[rows[0]]
    scores = [cells[row, SCORE] for row in rows]
    shown = [(row, key) for row in rows for key in (SCORE, column)]
    devices = ", ".join(sorted({measured[row].hardware["device"] for row in rows}))
    speeds = [cells[row, column].mean or 0.0 for row in rows]
    ours = plotted.ours(f"ours, {plotted.protocol}", speeds, [(row, SCORE) for row in rows], plotted.names(rows))
    return [
        Chart(
            id=f"{plotted.id}-fps-{kind}",
            title=f"{plotted.title}: accuracy against speed",
            kind="points",
            x_title="Frames a second at {}×{} ({})".format(*example.size, devices),
            y_title=f"{plotted.table.columns[SCORE]} on images of that size",
            series=[ours, *_printed(plotted, column)],
            note=" ".join([seeds(scores), *plotted.marked(shown), plotted.table.note]),
            records=tuple(run.path for row in rows for run in plotted.filled.behind(row)),
            table=plotted.table.id,
            log_x=True,
        )
    ]


def _printed(plotted: PlottedTable, column: str) -> list[Series]:
    """The paper's rows that have both numbers: measured by others, on their GPUs, at other sizes; a CPU's has none."""
    points = {
        row.label: (number(plotted.table.printed(key, column)), number(plotted.table.printed(key, SCORE)))
        for key, row in plotted.table.rows.items()
    }
    known = {label: (x, y) for label, (x, y) in points.items() if x is not None and y is not None}
    if not known:
        return []
    xs, ys = zip(*known.values(), strict=True)
    return [Series("paper, as printed: other GPUs", xs, ys, role=PAPER, names=list(known))]
