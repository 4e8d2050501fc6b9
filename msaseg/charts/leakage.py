"""What a random split gives away: mIoU by the distance to the nearest training frame, a series a split."""

from collections.abc import Sequence

from msaseg.charts.chart import Chart
from msaseg.charts.plotted_table import PlottedTable
from msaseg.charts.scores import SCORE
from msaseg.records.run import RunRecord

X_TITLE = "Frames scored, by their time from the nearest training frame"
FRAMES = "The number beside a point is that of the frames scored."


def by_distance(plotted: PlottedTable) -> list[Chart]:
    """Return one plot: the split's own test part, the frames unseen by all, and these at growing distances."""
    table = plotted.table
    columns = [column for column in table.columns if column.rpartition("/")[2] == SCORE]
    x = [table.columns[column].removesuffix(": mIoU (%)") for column in columns]
    rows = {key: row for key, row in table.rows.items() if plotted.runs(key)}
    series = []
    for key, row in rows.items():
        keys, names = [(key, column) for column in columns], _frames(plotted.runs(key)[0].trained, columns)
        series.append(plotted.ours(f"{row.label}, {plotted.protocol}", x, keys, names))
    note = plotted.note([(row, column) for row in rows for column in columns], FRAMES)
    return [plotted.chart("points", X_TITLE, "mIoU (%)", series, note)]


def _frames(record: RunRecord, columns: Sequence[str]) -> list[str]:
    """Return how many frames each column is scored on: the same for all seeds."""
    counts = {"": record.data.get("frames", {}).get("test")}
    counts |= {part: scores.get("frames") for part, scores in record.metrics.items()}
    numbers = [counts.get(column.rpartition("/")[0]) for column in columns]
    return ["" if count is None else f"{count}" for count in numbers]
