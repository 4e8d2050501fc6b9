"""Every figure that the suite has: those of the paper, and the plots of the records."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from msaseg.charts.build import charts, has_charts
from msaseg.charts.chart import PAPER, Chart, Matrix
from msaseg.config import PACKAGE
from msaseg.figures import frames
from msaseg.figures.draw import draw
from msaseg.figures.planned import Drawing, Planned, Skipped
from msaseg.tables.protocols import Protocol
from msaseg.tables.results import Results
from msaseg.tables.spec import Table, made_under

PREDICTED = ("class_iou", "native_models")
"""Tables whose nets draw Fig. 5."""

ANSWERS = {"training_curves": "Fig. 4"}
"""Table to the paper's figure that its plots answer."""


def catalogue(
    tables: Mapping[str, Table],
    results: Results,
    protocols: Sequence[Protocol],
    nets: Sequence[Protocol],
) -> list[Planned]:
    """Return the figures of these protocols, also those that cannot be drawn today.

    Args:
        tables: every table by its id.
        results: what is recorded.
        protocols: all published, or one that is not; Fig. 1 and 2 show a frame of the first one's source.
        nets: protocols whose network is drawn.
    """
    first = protocols[0]
    planned = [
        Planned("frame", "Fig. 1: a labelled frame", "Fig. 1", partial(frames.frame, first)),
        Planned("masks", "Fig. 2: the masks of its classes", "Fig. 2", partial(frames.masks, first)),
    ]
    for protocol in nets:
        title = f"Fig. 3: MSANet, protocol {protocol.name}"
        made_from = f"{protocol.name} {protocol.default_run} {_nets_code()}"
        draw_net = partial(_architecture, protocol)
        planned.append(Planned(f"architecture-{protocol.name}", title, "Fig. 3", draw_net, made_from))
    for protocol in protocols:
        for table in made_under(protocol.name, (tables[id] for id in PREDICTED if id in tables)):
            for row, content in table.rows.items():
                title = f"Fig. 5: predictions of {content.label}, protocol {protocol.name}"
                make = partial(_predictions, table, row, protocol, results)
                planned.append(Planned(f"predictions-{protocol.name}-{row}", title, "Fig. 5", make))
    return planned + _plots(tables, results, [protocol.name for protocol in protocols])


def _plots(tables: Mapping[str, Table], results: Results, protocols: Sequence[str]) -> list[Planned]:
    drawn = charts(tables.values(), results, protocols)
    planned = [
        Planned(chart.id, chart.title, ANSWERS.get(chart.table), partial(_plot, chart, source), _content(chart, source))
        for chart in drawn
        for source in [tables[chart.table].source if chart.table in tables else ""]
    ]
    for protocol in protocols:
        commands = {
            f"{table.id}-{protocol}": f"python -m msaseg.train +experiment={table.id} protocol={protocol} -m"
            for table in made_under(protocol, tables.values())
            if has_charts(table)
        }
        commands[f"accuracy_macs-{protocol}"] = f"make reproduce-tables PROTOCOL={protocol}"
        for id, command in commands.items():
            if not any(_belongs(chart.id, id) for chart in drawn):
                reason = f"no record under protocol {protocol}: {command}"
                planned.append(Planned(id, "no record yet", None, partial(_skip, reason)))
    return planned


def chosen(planned: Sequence[Planned], words: Sequence[str]) -> list[Planned]:
    """Return the figures whose id is one of these words, or begins with one and a dash."""
    return [figure for figure in planned if any(_belongs(figure.id, word) for word in words)]


def _belongs(id: str, word: str) -> bool:
    return id == word or id.startswith(f"{word}-")


def _plot(chart: Chart | Matrix, source: str) -> Drawing:
    printed = isinstance(chart, Chart) and any(series.role == PAPER for series in chart.series)
    source = f" The paper's numbers: {source}." if source and printed else ""
    return Drawing(draw(chart), f"{chart.title}. {chart.note}{source}", chart.records)


def _content(chart: Chart | Matrix, source: str) -> str:
    """Return all that a plot shows as text, wherever its records lie."""
    records = [path.parts[-4:] for path in chart.records]
    return repr((replace(chart, records=()), records, source))


def _skip(reason: str) -> Drawing:
    raise Skipped(reason)


def _architecture(protocol: Protocol) -> Drawing:
    from msaseg.figures.architecture import architecture

    return architecture(protocol)


@cache
def _nets_code() -> str:
    """Return a digest over the code of the nets, which decides what passes along their edges."""
    code = (file.read_bytes() for file in sorted((PACKAGE / "nets").rglob("*.py")))
    return hashlib.sha256(b"".join(code)).hexdigest()[:16]


def _predictions(table: Table, row: str, protocol: Protocol, results: Results) -> Drawing:
    from msaseg.figures.predictions import predictions

    return predictions(table, row, protocol, results)
