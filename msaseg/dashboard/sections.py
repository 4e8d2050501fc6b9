"""What stands in each section."""

from collections.abc import Mapping

from msaseg.dashboard.runs import PROTOCOL
from msaseg.dashboard.specification import Dashboard, Panel, Runs, Section
from msaseg.tables.spec import Table

EVERY_RUN = Runs("", (PROTOCOL, "model.name"))

NUMBERS = frozenset(
    {"train/loss", "val/loss", "train/seconds"}
    | {
        f"{part}/{score}"
        for part in ("train", "val", "test")
        for score in ("miou_pct", "class_accuracy_pct", "pixel_accuracy_pct")
    }
)
"""The scores and times that a run logs to W&B; other columns of a table are in its record alone."""

PRINTED = "printed/"
"""What the names begin with under which a run logs the paper's numbers of its row."""

TITLES = {
    "train/loss": "Loss, training",
    "val/loss": "Loss, watched split",
    "train/pixel_accuracy_pct": "Pixel accuracy, training (%)",
    "val/pixel_accuracy_pct": "Pixel accuracy, watched split (%)",
    "train/miou_pct": "mIoU, training (%)",
    "val/miou_pct": "mIoU, watched split (%)",
}
CURVES = tuple(Panel("curve", title, (metric,), x="epoch") for metric, title in TITLES.items())
CONFUSION = Panel("table", "Confusion, percent of each true class", ("test/confusion",))
CLASS_IOU = Panel("table", "IoU and recall of each class, test split (%)", ("test/iou_per_class",))
OVERLAYS = Panel("media", "Test frames with prediction and truth", ("test/predictions",))
SECONDS = (
    Panel("bars", "Seconds of the last epoch", ("train/seconds",)),
    Panel("curve", "Seconds of each epoch", ("train/seconds",), x="epoch"),
    Panel("curve", "Loss, training, over seconds since the start", ("train/loss",), x="_runtime"),
)

COMMON = (
    Section("curves", "Training curves", CURVES, EVERY_RUN),
    Section("classes", "IoU of each class", (CLASS_IOU, CONFUSION), EVERY_RUN),
    Section("overlays", "Predictions", (OVERLAYS,), EVERY_RUN),
    Section("comparison", "Runs side by side", (Panel("comparison", "Configurations and scores"),), EVERY_RUN),
    Section("speed", "Speed", SECONDS, EVERY_RUN),
)
"""Sections on the runs themselves, whatever table they fill."""


def dashboard(tables: Mapping[str, Table], runs: Mapping[str, Runs]) -> Dashboard:
    """Return all that is published, from every declared table and the runs that fill it, both by the table's id."""
    return Dashboard(
        title="msaseg",
        tables=tuple(table_section(table, runs[key]) for key, table in tables.items()),
        common=COMMON,
    )


def table_section(table: Table, runs: Runs) -> Section:
    """Return a table's section: the paper's numbers, and those of its columns that a run logs."""
    panels = []
    for column, heading in table.columns.items():
        metric = column if "/" in column else f"test/{column}"
        printed = [f"{PRINTED}{column}"] if any(column in row.paper for row in table.rows.values()) else []
        if metric in NUMBERS:
            panels.append(Panel("bars", heading, (metric, *printed)))
        if metric in NUMBERS and printed and "/" in column:  # the paper shows its curve
            panels.append(Panel("curve", f"{heading}, each epoch", (metric, *printed), x="epoch"))
    if any(column.endswith("macs_g") for column in table.columns):
        panels.append(Panel("scatter", "mIoU (%) over multiply-adds (10⁹)", ("test/miou_pct",), x="cost/macs_g"))
    if any(column.startswith("iou_pct.") for column in table.columns):
        panels += [CLASS_IOU, CONFUSION]
    about = Panel("text", "About", text=_about(table, runs if panels else None))
    return Section(table.id, table.title, (about, *panels), runs)


def _about(table: Table, runs: Runs | None) -> str:
    parts = [f"Source: {table.source}."]
    parts += [table.note] if table.note else []
    if runs:
        keys = ", ".join(f"`{key}`" for key in runs.group_by)
        parts.append(f"A bar is the mean over the runs that agree in {keys}, those of older configurations included.")
    if runs and any(row.paper for row in table.rows.values()):
        parts.append(f"`{PRINTED}` is what the paper prints.")
    parts.append(f"The numbers that count, with their provenance: `experiments/tables/{table.id}.md`.")
    return "\n\n".join(parts)
