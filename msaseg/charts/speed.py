"""mIoU against measured speed, beside the speeds that the paper prints."""

from msaseg.charts.chart import PAPER, Chart, Series
from msaseg.charts.part import Part, number, seeds
from msaseg.charts.scores import SCORE, row_scores
from msaseg.tables.runs import SPEED

DEVICES = {"cuda": "GPU", "cpu": "CPU"}
PRINTED = f"{SPEED}cuda.fps"
"""The column that the paper's speeds stand in: all are a GPU's."""


def speed_accuracy(part: Part) -> list[Chart]:
    """Return mIoU row by row, and mIoU against the frames a second of each kind of device that was measured."""
    return [*row_scores(part), *(chart for kind in DEVICES for chart in _against_speed(part, kind))]


def _against_speed(part: Part, kind: str) -> list[Chart]:
    cells, column = part.filled.cells, f"{SPEED}{kind}.fps"
    if column not in part.table.columns:
        return []
    rows = [row for row in part.table.rows if cells[row, column].mean and cells[row, SCORE].mean is not None]
    if not rows:
        return []
    scores = [cells[row, SCORE] for row in rows]
    ours = Series(
        label=f"ours, {part.protocol}",
        x=[cells[row, column].mean or 0.0 for row in rows],
        y=[cell.mean for cell in scores],
        spread=[cell.sd for cell in scores],
        hover=[part.origins(row) for row in rows],
        names=[part.table.rows[row].label for row in rows],
    )
    measured = next(run for run in part.filled.speeds if column in run.values)
    return [
        Chart(
            id=f"{part.id}-fps-{kind}",
            title=f"{part.title}: accuracy against speed",
            kind="points",
            x_title=f"Frames a second at 512×768 ({measured.hardware['device']})",
            y_title=part.table.columns[SCORE],
            series=[ours, *_printed(part)],
            note=" ".join([seeds(scores), *part.marked([(row, column) for row in rows]), part.table.note]),
            records=tuple(run.path for row in rows for run in part.filled.behind(row)),
            table=part.table.id,
            log_x=True,
        )
    ]


def _printed(part: Part) -> list[Series]:
    """The paper's rows that have both numbers: measured by others, on their GPUs, at other sizes."""
    points = {
        row.label: (number(part.table.printed(key, PRINTED)), number(part.table.printed(key, SCORE)))
        for key, row in part.table.rows.items()
    }
    known = {label: (x, y) for label, (x, y) in points.items() if x is not None and y is not None}
    if not known:
        return []
    xs, ys = zip(*known.values(), strict=True)
    return [Series("paper, as printed: other GPUs", xs, ys, role=PAPER, names=list(known))]
