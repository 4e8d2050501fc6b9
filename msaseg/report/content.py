"""Everything that the page shows, gathered from the records, the drawn figures and the audit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msaseg.charts.build import ABLATIONS, charts
from msaseg.charts.chart import Chart, Matrix
from msaseg.config import ROOT
from msaseg.report.audit import Audit, audit
from msaseg.report.heatmap import heatmap
from msaseg.report.pictures import Picture, drawn, of_protocols
from msaseg.report.plots import Json, plot
from msaseg.report.progress import State, states
from msaseg.report.provenance import Origin, anchor, on_hover, origins, relative
from msaseg.tables.cells import FilledTable
from msaseg.tables.decide import Verdict
from msaseg.tables.layout import Entry, Grid, Kind, layout
from msaseg.tables.order import in_order, place
from msaseg.tables.protocols import protocol_names
from msaseg.tables.render import commands, legends
from msaseg.tables.results import Results
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table
from msaseg.tables.verdicts import summary, verdicts

WIDTH = 8
"""How many columns of ours stand side by side at most: more fit neither a printed page nor a screen."""

FIRST = "leakage"
"""The table that is a chapter of its own before the others: without it no number below can be judged."""

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
class TableSection:
    """A table with all that belongs to it.

    Args:
        table: that is shown.
        filled: its cells under each protocol.
        grids: the cells as they stand on the page, as many protocols side by side as fit.
        legend: seeds and marks, explained.
        commands: protocol to its description, the make target and the command that make the numbers again.
        origins: the runs behind it.
        plots: of its numbers.
    """

    table: Table
    filled: Sequence[FilledTable]
    grids: Sequence[Grid]
    legend: Sequence[str]
    commands: dict[str, tuple[str, str, str]]
    origins: Sequence[Origin]
    plots: Sequence[Plot]

    def hover(self, entry: Entry) -> str:
        """Return where a number of ours comes from."""
        behind = [run for one in self.filled if one.protocol.name == entry.protocol for run in one.behind(entry.row)]
        runs = [run for run in behind if entry.column in run.values]
        return on_hover(entry.protocol, entry.column, runs) if entry.kind is Kind.OURS and runs else ""

    def link(self, entry: Entry) -> str:
        """Return the id of the first run behind a number of ours."""
        known = entry.kind is Kind.OURS and not entry.missing
        return anchor(self.table, entry.protocol, entry.row) if known else ""


@dataclass(frozen=True)
class FigureSection:
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
    table: TableSection | None


@dataclass(frozen=True)
class Content:
    """What the page shows.

    Args:
        verdicts: on each claim, in the order of the tables, with the table; those of the first protocol first.
        counts: how many of them hold, protocol by protocol.
        changes: plots of what the claims of the ablations are about, under the first protocol; away from their tables,
            they bear the whole title.
        states: where each protocol stands.
        newest: the run that finished last, with the address of its record; None without any.
        unread: how many files could not be read.
        first: the chapter before the tables, if there is one.
        tables: the paper's tables, in its order.
        figures: the paper's figures, in its order.
        others: further tables that the paper does not have.
        plots: that belong to no table.
        pictures: that answer no figure of the paper.
        audit: of the paper; None if it is not written.
        docs: address of the folder of the documentation, as seen from the page.
    """

    verdicts: Sequence[tuple[Table, Verdict]]
    counts: str
    changes: Sequence[Plot]
    states: Sequence[State]
    newest: tuple[Run, str] | None
    unread: int
    first: TableSection | None
    tables: Sequence[TableSection]
    figures: Sequence[FigureSection]
    others: Sequence[TableSection]
    plots: Sequence[Plot]
    pictures: Sequence[Picture]
    audit: Audit | None
    docs: str


def gather(
    tables: Iterable[Table], results: Results, shown: Sequence[str], known: Sequence[str], folder: Path
) -> Content:
    """Return the content of the page.

    Args:
        tables: every table.
        results: what is recorded; files that cannot be read are named in its `unreadable`.
        shown: names of the protocols to show.
        known: names of the protocols whose state is told, also where they have no records.
        folder: of the page; the drawn figures lie in its `figures/`.
    """
    ordered = in_order(tables)
    results.prepare(ordered, shown)
    filled = {table.id: results.shown(table, shown) for table in ordered}
    all_charts = charts(ordered, results, shown)
    pictures, files = drawn(folder / "figures", [chart.id for chart in all_charts], results)
    ours = of_protocols(pictures, known, protocol_names())  # the network is drawn also where nothing has run
    plots = {
        chart.id: (chart, _plot(chart, results.tables.get(chart.table), files.get(chart.id))) for chart in all_charts
    }
    changes = [f"{id}-{shown[0]}" for id in ABLATIONS if f"{id}-{shown[0]}" in plots]
    sections = {
        table.id: _table_section(
            filled[table.id],
            [made for chart, made in plots.values() if chart.table == table.id and chart.id not in changes],
            folder,
        )
        for table in ordered
    }
    runs = [run for shown_of in filled.values() for one in shown_of for run in one.runs]
    last = max(runs, key=lambda run: (run.finished, str(run.path)), default=None)
    docs = relative(ROOT / "docs", folder)
    found = sorted(verdicts(ordered, results, shown), key=lambda pair: shown.index(pair[1].protocol))
    return Content(
        verdicts=found,
        counts=summary(found),
        changes=[replace(made, title=chart.title) for chart, made in (plots[id] for id in changes)],
        states=states(ordered, results, known),
        newest=(last, relative(last.path, folder)) if last else None,
        unread=len(results.unreadable),
        first=sections.get(FIRST),
        tables=[sections[table.id] for table in ordered if place(table.title)[0] == 0],
        figures=[_figure_section(number, list(sections.values()), ours) for number in FIGURES],
        others=[sections[table.id] for table in ordered if place(table.title)[0] == 2 and table.id != FIRST],
        plots=[made for chart, made in plots.values() if not chart.table],
        pictures=[picture for picture in ours if not picture.paper],
        audit=audit(ROOT / "docs" / "audit.md", docs),
        docs=docs,
    )


def _plot(chart: Chart | Matrix, table: Table | None, file: str | None) -> Plot:
    """Return a chart as it stands below its table, whose title and note it does not repeat."""
    title = chart.title.removeprefix(f"{table.title}, ") if table else chart.title
    return Plot(
        id=chart.id,
        title=title[:1].upper() + title[1:],
        note=chart.note.removesuffix(table.note if table else "").strip(),
        figure=plot(chart) if isinstance(chart, Chart) else heatmap(chart),
        file=f"figures/{file}" if file else "",
    )


def _table_section(filled: Sequence[FilledTable], plots: Sequence[Plot], folder: Path) -> TableSection:
    return TableSection(
        table=filled[0].table,
        filled=filled,
        grids=list(_grids(filled)),
        legend=[line.removeprefix("- ") for line in legends(filled)],
        commands={one.protocol.name: (one.protocol.about, *commands(one)) for one in filled},
        origins=origins(filled, folder),
        plots=plots,
    )


def _grids(filled: Sequence[FilledTable]) -> Iterable[Grid]:
    """Yield a table with as many protocols side by side as fit; each grid repeats labels and the paper's numbers."""
    table = filled[0].table
    step = max(1, WIDTH // (len(layout(table, filled[:1]).heads) - 1))
    for start in range(0, len(filled), step):
        yield layout(table, filled[start : start + step])


def _figure_section(number: int, sections: Sequence[TableSection], pictures: Sequence[Picture]) -> FigureSection:
    name = f"Fig. {number}"
    table = next((section for section in sections if section.table.title.startswith(f"{name}:")), None)
    return FigureSection(
        id=table.table.id if table else f"figure-{number}",
        title=table.table.title if table else f"{name}: {FIGURES[number]}",
        pictures=[picture for picture in pictures if picture.paper == name],
        table=table,
    )
