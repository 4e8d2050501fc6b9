"""mIoU against measured speed, beside the speeds that the paper prints."""

from collections.abc import Sequence

from msaseg.charts.chart import PAPER, Chart, Series
from msaseg.charts.plotted_table import PlottedTable, number, seeds
from msaseg.charts.scores import SCORE, row_scores
from msaseg.tables.runs import SPEED

DEVICES = ("cuda", "cpu")


def speed_accuracy(plotted: PlottedTable) -> list[Chart]:
    """Return mIoU row by row, and mIoU against the frames a second of each kind of device that was measured."""
    return [*row_scores(plotted), *(chart for kind in DEVICES for chart in _against_speed(plotted, kind))]


def _against_speed(plotted: PlottedTable, kind: str) -> list[Chart]:
    cells, column = plotted.filled.cells, f"{SPEED}{kind}.fps"
    if column not in plotted.table.columns:
        return []
    rows = [row for row in plotted.table.rows if cells[row, column].mean and cells[row, SCORE].mean is not None]
    if not rows:
        return []
    scores = [cells[row, SCORE] for row in rows]
    ours = Series(
        label=f"ours, {plotted.protocol}",
        x=[cells[row, column].mean or 0.0 for row in rows],
        y=[cell.mean for cell in scores],
        spread=[cell.sd for cell in scores],
        hover=[plotted.origins(row) for row in rows],
        names=[plotted.table.rows[row].label for row in rows],
    )
    measured = next(run for run in plotted.filled.speeds if column in run.values)
    scored = " or ".join(sorted({_size(run.size) for row in rows for run in plotted.runs(row)}))
    return [
        Chart(
            id=f"{plotted.id}-fps-{kind}",
            title=f"{plotted.title}: accuracy against speed",
            kind="points",
            x_title=f"Frames a second at {_size(measured.size)} ({measured.hardware['device']})",
            y_title=f"{plotted.table.columns[SCORE]} at {scored}",
            series=[ours, *_printed(plotted, column)],
            note=" ".join([seeds(scores), *plotted.marked([(row, column) for row in rows]), plotted.table.note]),
            records=tuple(run.path for row in rows for run in plotted.filled.behind(row)),
            table=plotted.table.id,
            log_x=True,
        )
    ]


def _size(size: Sequence[int]) -> str:
    return "{}×{}".format(*size)


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
