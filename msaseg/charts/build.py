"""Every plot of the suite, from the records behind the tables."""

from collections.abc import Callable, Iterable, Sequence

from msaseg.charts.chart import Chart, Matrix
from msaseg.charts.classes import class_scores
from msaseg.charts.curves import training_curves
from msaseg.charts.leakage import by_distance
from msaseg.charts.part import Part
from msaseg.charts.scores import SCORE, row_scores, score_against_cost
from msaseg.charts.speed import speed_accuracy
from msaseg.tables.plan import Plan
from msaseg.tables.render import groups_of
from msaseg.tables.spec import Table

BUILDERS: dict[str, Callable[[Part], Sequence[Chart | Matrix]]] = {
    "class_iou": class_scores,
    "training_curves": training_curves,
    "leakage": by_distance,
    "speed_accuracy": speed_accuracy,
}
"""Tables whose plots are not mIoU row by row."""

OTHER_FRAMES = {"leakage"}
"""Tables whose rows are tested on other frames than their protocol's, so that their accuracy is no rival's."""


def plotted(table: Table) -> bool:
    """Return whether a table has plots of its own once there are records."""
    return table.id in BUILDERS or SCORE in table.columns


def charts(
    tables: Iterable[Table], plan: Plan, protocols: Sequence[str], complaints: list[str] | None = None
) -> list[Chart | Matrix]:
    """Return every plot that there are records for: table by table, then accuracy against multiply-adds.

    Args:
        tables: to plot; one without records, or without numbers, gives no plot.
        plan: of their runs.
        protocols: names in the order to show; each has plots of its own.
        complaints: takes one line for each record that cannot be read.
    """
    complaints = [] if complaints is None else complaints
    parts = [
        Part(table, group) for table in tables for group in groups_of(table, plan, protocols, complaints) if group.runs
    ]
    drawn = [chart for part in parts for chart in BUILDERS.get(part.table.id, row_scores)(part)]
    for protocol in protocols:
        rivals = [part for part in parts if part.protocol == protocol and part.table.id not in OTHER_FRAMES]
        drawn += score_against_cost(sorted(rivals, key=lambda part: part.table.title))
    return drawn
