"""Fig. 4: loss and pixel accuracy over the epochs, of training and of the part that the protocol watches."""

from collections.abc import Sequence
from statistics import fmean, stdev

from msaseg.charts.chart import PAPER, Chart, Series
from msaseg.charts.plotted_table import PlottedTable, number
from msaseg.records.run import RunRecord

TRAIN, WATCHED = "train", "val"
"""Prefixes of the history's series; the second is that of the watched part, whichever it is."""

PLOTS = {"loss": "Cross entropy", "pixel_accuracy_pct": "Pixel accuracy (%)"}
LAST = "The paper's numbers are those after its last epoch; they stand at the last epoch here."


def training_curves(plotted: PlottedTable) -> list[Chart]:
    """Return the plot of the loss and that of the pixel accuracy; each net has a colour, the watched part is dashed."""
    histories = {row: [run.trained for run in plotted.runs(row)] for row in plotted.table.rows if plotted.runs(row)}
    return [chart for name, axis in PLOTS.items() for chart in _plot(plotted, histories, name, axis)]


def watched(record: RunRecord) -> str:
    """Return what the part is called that a run was scored on after each epoch."""
    watch = record.config.get("data", {}).get("watch", WATCHED)
    return "test (chooses nothing)" if watch == "test" else "validation"


def _plot(plotted: PlottedTable, histories: dict[str, list[RunRecord]], name: str, axis: str) -> list[Chart]:
    series: list[Series] = []
    printed: dict[str, float] = {}
    last = 0.0
    rows = list(plotted.table.rows)
    for row, records in histories.items():
        for of, words in ((TRAIN, "training"), (WATCHED, watched(records[0]))):
            key = f"{of}/{name}"
            curve = _curve([record.history.get(key, []) for record in records])
            if not curve:
                continue
            epochs, means, spread = zip(*curve, strict=True)
            last = max(last, epochs[-1])
            label = f"{plotted.table.rows[row].label}, {words}"
            hover = [plotted.origins(row)] * len(epochs)
            series.append(Series(label, epochs, means, spread, hover=hover, colour=rows.index(row), dashed=of != TRAIN))
            value = number(plotted.table.printed(row, key))
            if value is not None:
                printed[f"{'training' if of == TRAIN else 'validation'} {value:g}"] = value
    if not series:
        return []
    keys = [(row, column) for row in histories for column in plotted.table.columns]
    words = f"paper, as printed: {', '.join(printed)}"
    paper = Series(words, [last] * len(printed), [*printed.values()], role=PAPER)
    return [
        Chart(
            id=f"{plotted.id}-{name.removesuffix('_pct')}",
            title=f"Fig. 4: {axis.removesuffix(' (%)').lower()} over the epochs, protocol {plotted.protocol}",
            kind="line",
            x_title="Epoch",
            y_title=axis,
            series=[*series, *([paper] if printed else [])],
            note=plotted.note(keys, LAST if printed else ""),
            records=plotted.records(),
            table=plotted.table.id,
        )
    ]


def _curve(histories: Sequence[Sequence[Sequence[float]]]) -> list[tuple[float, float, float | None]]:
    """Return (epoch, mean, sample deviation over seeds) at the epochs that all seeds have."""
    seeds = [{point[0]: point[1] for point in points} for points in histories]
    shared = sorted(set(seeds[0]).intersection(*seeds))
    values = [(epoch, [seed[epoch] for seed in seeds]) for epoch in shared]
    return [(epoch, fmean(each), stdev(each) if len(each) > 1 else None) for epoch, each in values]
