"""Everything that the page shows, gathered from the records, the drawn figures and the audit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msaseg.charts import charts
from msaseg.charts.chart import Chart, Matrix
from msaseg.config import ROOT
from msaseg.report.audit import Audit, audit
from msaseg.report.findings import Finding, findings
from msaseg.report.grid import Grid, grids
from msaseg.report.heatmap import heatmap
from msaseg.report.order import in_order, place
from msaseg.report.pictures import Drawn, Picture, drawn, of_protocols
from msaseg.report.plots import Json, plot
from msaseg.report.progress import Filled, State, states
from msaseg.report.provenance import Origin, newest, origins, relative
from msaseg.tables.cells import Group
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import protocol_names
from msaseg.tables.render import commands, groups_of, legend
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table

FIGURES = {
    1: "a labelled frame",
    2: "the masks of its classes",
    3: "the network",
    4: "loss and accuracy over the epochs",
    5: "image, prediction and truth",
}
"""The paper's figures in words."""


@dataclass(frozen=True)
class Plot:
    """An interactive plot.

    Args:
        id: of the chart.
        title: of the chart, without that of its table.
        note: what a reader must know; the table's own note is left out, since it stands above.
        figure: Plotly's data and layout.
        file: address of the same plot as a picture; "" if it is not drawn.
    """

    id: str
    title: str
    note: str
    figure: Json
    file: str


@dataclass(frozen=True)
class TablePart:
    """A table with all that belongs to it.

    Args:
        table: that is shown.
        groups: its cells.
        grids: the cells as they stand on the page.
        legend: the marks that it uses, explained.
        commands: protocol to its description, the make target and the command that make the numbers again.
        origins: the runs behind it.
        plots: of its numbers.
    """

    table: Table
    groups: Sequence[Group]
    grids: Sequence[Grid]
    legend: Sequence[str]
    commands: dict[str, tuple[str, str, str]]
    origins: Sequence[Origin]
    plots: Sequence[Plot]


@dataclass(frozen=True)
class FigurePart:
    """One figure of the paper.

    Args:
        id: of the section.
        title: of the section.
        pictures: ours; empty if none is drawn.
        table: its numbers and plots, if it has a table.
    """

    id: str
    title: str
    pictures: Sequence[Picture]
    table: TablePart | None


@dataclass(frozen=True)
class Content:
    """What the page shows.

    Args:
        states: where each protocol stands.
        findings: what comes of the comparison with the paper.
        newest: the run that finished last, with the address of its record; None without any.
        unread: how many files could not be read.
        tables: the paper's tables, in its order.
        figures: the paper's figures, in its order.
        others: tables that the paper does not have.
        plots: that belong to no table.
        pictures: that answer no figure of the paper.
        audit: of the paper; None if it is not written.
        docs: address of the folder of the documentation, as seen from the page.
    """

    states: Sequence[State]
    findings: Sequence[Finding]
    newest: tuple[Run, str] | None
    unread: int
    tables: Sequence[TablePart]
    figures: Sequence[FigurePart]
    others: Sequence[TablePart]
    plots: Sequence[Plot]
    pictures: Sequence[Picture]
    audit: Audit | None
    docs: str


def gather(
    tables: Iterable[Table],
    plan: Plan,
    shown: Sequence[str],
    known: Sequence[str],
    folder: Path,
    complaints: list[str],
) -> Content:
    """Return the content of the page.

    Args:
        tables: every table.
        plan: of their runs.
        shown: names of the protocols to show.
        known: names of the protocols whose state is told, also where they have no records.
        folder: of the page; the drawn figures lie in its `figures/`.
        complaints: takes one line for each file that cannot be read.
    """
    ordered = in_order(tables)
    filled: list[Filled] = [(table, groups_of(table, plan, shown, complaints)) for table in ordered]
    plotted = charts(ordered, plan, shown, [])  # it reads the same records: what it cannot read is told already
    pictures = drawn(folder / "figures", [chart.id for chart in plotted], complaints)
    ours = of_protocols(pictures.pictures, known, protocol_names())  # the network is drawn also where nothing has run
    plots = {chart.id: (chart, _plot(chart, filled, pictures)) for chart in plotted}
    parts = [
        _table_part(table, groups, [made for chart, made in plots.values() if chart.table == table.id], folder)
        for table, groups in filled
    ]
    last = newest(group for _, groups in filled for group in groups)
    docs = relative(ROOT / "docs", folder)
    return Content(
        states=states(filled, plan, known),
        findings=findings(filled),
        newest=(last, relative(last.path, folder)) if last else None,
        unread=len(complaints),
        tables=[part for part in parts if place(part.table.title)[0] == 0],
        figures=[_figure_part(number, parts, ours) for number in FIGURES],
        others=[part for part in parts if place(part.table.title)[0] == 2],
        plots=[made for chart, made in plots.values() if not chart.table],
        pictures=[picture for picture in ours if not picture.paper],
        audit=audit(ROOT / "docs" / "audit.md", docs),
        docs=docs,
    )


def _plot(chart: Chart | Matrix, filled: Sequence[Filled], pictures: Drawn) -> Plot:
    note = next((table.note for table, _ in filled if table.id == chart.table), "")
    file = (pictures.files or {}).get(chart.id)
    return Plot(
        id=chart.id,
        title=_own_words(chart, filled),
        note=chart.note.removesuffix(note).strip(),
        figure=plot(chart) if isinstance(chart, Chart) else heatmap(chart),
        file=f"figures/{file}" if file else "",
    )


def _own_words(chart: Chart | Matrix, filled: Sequence[Filled]) -> str:
    """Return what a chart's title adds to that of its table."""
    heading = next((table.title for table, _ in filled if table.id == chart.table), "")
    words = chart.title.removeprefix(f"{heading}, ")
    return words[:1].upper() + words[1:]


def _table_part(table: Table, groups: Sequence[Group], plots: Sequence[Plot], folder: Path) -> TablePart:
    return TablePart(
        table=table,
        groups=groups,
        grids=grids(table, groups),
        legend=legend(groups),
        commands={group.protocol.name: (group.protocol.about, *commands(table, group)) for group in groups},
        origins=origins(table, groups, folder),
        plots=plots,
    )


def _figure_part(number: int, parts: Sequence[TablePart], pictures: Sequence[Picture]) -> FigurePart:
    name = f"Fig. {number}"
    table = next((part for part in parts if part.table.title.startswith(f"{name}:")), None)
    return FigurePart(
        id=f"figure-{number}",
        title=table.table.title if table else f"{name}: {FIGURES[number]}",
        pictures=[picture for picture in pictures if picture.paper == name],
        table=table,
    )
