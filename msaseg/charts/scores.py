"""mIoU as plots: row by row beside the paper's numbers, and against the multiply-adds of all nets."""

from collections.abc import Sequence

from msaseg.charts.chart import Chart
from msaseg.charts.plotted_table import PlottedTable, seeds
from msaseg.records.run import RunRecord

SCORE = "miou_pct"
LEVELS = "The paper does not name the protocol of its numbers: compare the order of the rows, not their level."
COSTS = (
    "Multiply-adds of one image at the protocol's input size, counted on the net itself; the axis is logarithmic. "
    "A run that two tables share is shown under the first."
)


def row_scores(plotted: PlottedTable) -> list[Chart]:
    """Return the plot of a table's mIoU; none for a table without that column."""
    if SCORE not in plotted.table.columns:
        return []
    labels = [row.label for row in plotted.table.rows.values()]
    keys = [(row, SCORE) for row in plotted.table.rows]
    printed = plotted.printed("paper, as printed", labels, keys)
    series = [plotted.ours(f"ours, {plotted.protocol}", labels, keys), *printed]
    note = plotted.note(keys, LEVELS if printed else "")
    return [plotted.chart("points", plotted.table.row_header, plotted.table.columns[SCORE], series, note)]


def score_against_cost(tables: Sequence[PlottedTable]) -> list[Chart]:
    """Return mIoU against multiply-adds of every row of these tables; a run that two share is shown once.

    Args:
        tables: of one protocol, scored on the same frames.
    """
    shown: dict[str, RunRecord] = {}
    series, cells, records, marks = [], [], [], []
    for plotted in tables:
        rows = {row: record for row, record in _first_records(plotted).items() if record.config_hash not in shown}
        if not rows:
            continue
        shown |= {record.config_hash: record for record in rows.values()}
        keys, macs = [(row, SCORE) for row in rows], [record.cost["macs"] / 1e9 for record in rows.values()]
        series.append(plotted.ours(f"{plotted.table.short}, {plotted.protocol}", macs, keys, plotted.names(rows)))
        cells += [plotted.filled.cells[key] for key in keys]
        records += [run.path for row in rows for run in plotted.runs(row)]
        marks += plotted.marked(keys)
    if not series:
        return []
    protocol = tables[0].protocol
    sizes = sorted({tuple(record.cost["input_size"]) for record in shown.values()})
    size = " or ".join(f"{height}×{width}" for height, width in sizes)
    return [
        Chart(
            id=f"accuracy_macs-{protocol}",
            title=f"Accuracy against cost, protocol {protocol}",
            kind="points",
            x_title=f"Multiply-adds of one {size} image (billions)",
            y_title="mIoU (%)",
            series=series,
            note=" ".join([seeds(cells), *marks, COSTS]),
            records=records,
            log_x=True,
        )
    ]


def _first_records(plotted: PlottedTable) -> dict[str, RunRecord]:
    """Return a record of each row that has the score: the multiply-adds are the same for all seeds."""
    cells = plotted.filled.cells
    rows = [row for row in plotted.table.rows if (row, SCORE) in cells and cells[row, SCORE].mean is not None]
    return {row: plotted.runs(row)[0].trained for row in rows}
