"""mIoU as plots: row by row beside the paper's numbers, and against the multiply-adds of all nets."""

from collections.abc import Mapping, Sequence

from msaseg.charts.chart import Chart, Series
from msaseg.charts.part import Part, seeds
from msaseg.records.run import RunRecord

SCORE = "miou_pct"
LEVELS = "The paper does not name the protocol of its numbers: compare the order of the rows, not their level."
COSTS = (
    "Multiply-adds of one image at the protocol's input size, counted on the net itself; the axis is logarithmic. "
    "A run that two tables share is shown under the first."
)


def row_scores(part: Part) -> list[Chart]:
    """Return the plot of a table's mIoU; none for a table without that column."""
    if SCORE not in part.table.columns:
        return []
    labels = [row.label for row in part.table.rows.values()]
    keys = [(row, SCORE) for row in part.table.rows]
    printed = part.printed("paper, as printed", labels, keys)
    return [
        Chart(
            id=part.id,
            title=part.title,
            kind="points",
            x_title=part.table.row_header,
            y_title=part.table.columns[SCORE],
            series=[part.ours(f"ours, {part.protocol}", labels, keys), *printed],
            note=part.note(keys, LEVELS if printed else ""),
            records=part.records(),
            table=part.table.id,
        )
    ]


def score_against_cost(parts: Sequence[Part]) -> list[Chart]:
    """Return mIoU against multiply-adds of every row of these tables; a run that two share is shown once.

    Args:
        parts: of one protocol, scored on the same frames.
    """
    shown: dict[str, RunRecord] = {}
    series, cells, records, marks = [], [], [], []
    for part in parts:
        rows = {row: record for row, record in _first_records(part).items() if record.config_hash not in shown}
        if not rows:
            continue
        shown |= {record.config_hash: record for record in rows.values()}
        series.append(_against_cost(part, rows))
        cells += [part.filled.cells[row, SCORE] for row in rows]
        records += [run.path for row in rows for run in part.runs(row)]
        marks += part.marked([(row, SCORE) for row in rows])
    if not series:
        return []
    protocol = parts[0].protocol
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


def _first_records(part: Part) -> dict[str, RunRecord]:
    """Return a record of each row that has the score: the multiply-adds are the same for all seeds."""
    cells = part.filled.cells
    rows = [row for row in part.table.rows if (row, SCORE) in cells and cells[row, SCORE].mean is not None]
    return {row: part.runs(row)[0].trained for row in rows}


def _against_cost(part: Part, rows: Mapping[str, RunRecord]) -> Series:
    cells = [part.filled.cells[row, SCORE] for row in rows]
    return Series(
        label=f"{part.short}, {part.protocol}",
        x=[record.cost["macs"] / 1e9 for record in rows.values()],
        y=[cell.mean for cell in cells],
        spread=[cell.sd for cell in cells],
        hover=[part.origins(row) for row in rows],
        names=[part.table.rows[row].label for row in rows],
    )
