"""Every plot of the suite, from the records behind the tables."""

from collections.abc import Callable, Iterable, Sequence

from msaseg.charts.change import change_from_first
from msaseg.charts.chart import Chart, Matrix
from msaseg.charts.classes import class_scores
from msaseg.charts.curves import training_curves
from msaseg.charts.leakage import by_distance
from msaseg.charts.plotted_table import PlottedTable
from msaseg.charts.scores import SCORE, score_against_cost
from msaseg.charts.speed import speed_accuracy
from msaseg.tables.order import place
from msaseg.tables.results import Results
from msaseg.tables.spec import Table

ABLATIONS = ("pooling_sweep", "branch_fusion_sweep", "backbone_replication_sweep", "attention_sweep")
"""Tables 2, 3 and 5, and the attention of the title: what each row changes is what they are about."""

BUILDERS: dict[str, Callable[[PlottedTable], Sequence[Chart | Matrix]]] = {
    **dict.fromkeys(ABLATIONS, change_from_first),
    "class_iou": class_scores,
    "training_curves": training_curves,
    "leakage": by_distance,
}
"""Tables whose plots are not mIoU row by row, and against speed where that is measured."""

OTHER_FRAMES = {"leakage", "recipe_sweep"}
"""Tables whose rows are tested on other frames than their protocol's, so that their accuracy is no rival's."""


def has_charts(table: Table) -> bool:
    """Return whether a table has plots of its own once there are records."""
    return table.id in BUILDERS or SCORE in table.columns


def charts(tables: Iterable[Table], results: Results, protocols: Sequence[str]) -> list[Chart | Matrix]:
    """Return every plot that there are records for: table by table, then accuracy against multiply-adds.

    Args:
        tables: to plot; one without records, or without numbers, gives no plot.
        results: what is recorded.
        protocols: names in the order to show; each has plots of its own.
    """
    tables = list(tables)
    results.prepare(tables, protocols)
    plotted = [PlottedTable(one) for table in tables for one in results.shown(table, protocols) if one.runs]
    drawn = [chart for one in plotted for chart in BUILDERS.get(one.table.id, speed_accuracy)(one)]
    for protocol in protocols:
        rivals = [one for one in plotted if one.protocol == protocol and one.table.id not in OTHER_FRAMES]
        drawn += score_against_cost(sorted(rivals, key=lambda one: place(one.table.title)))
    return drawn
