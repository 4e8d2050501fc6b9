"""Make W&B's report and workspaces from the specification, and save them."""

from collections.abc import Iterator, Sequence
from typing import Any

import wandb
from wandb_workspaces import workspaces as ws
from wandb_workspaces.reports.v2 import interface as wr

from msaseg.cli.errors import UserError
from msaseg.dashboard.specification import Dashboard, Panel, Section

LIMIT = 100
"""How many bars or curves a panel draws; W&B's own limit of 10 would hide rows."""

COLUMNS = 2
WIDTH, HEIGHT = 24 // COLUMNS, 10
"""Of a panel in a report, on its grid of 24 columns."""

INTRODUCTION = (
    "Made by `python -m msaseg.dashboard`. W&B is a view of the runs; the records in the repository, and the tables "
    "rendered from them, are the result. A section on a table shows that table's runs; the sections after them show "
    "every run of the project, averaged by protocol and network."
)


def account(entity: str | None) -> str:
    """Return the user or team to publish under.

    Args:
        entity: the one asked for; the account's default if None.

    Raises:
        UserError: there is no account, or W&B refuses it.
    """
    try:
        if not wandb.login(prompt=False):
            raise UserError("no W&B account: run `wandb login`, unset WANDB_MODE if it is set, or add --dry-run")
        entity = entity or wandb.Api().default_entity
    except wandb.errors.Error as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"W&B does not let you in ({reason}): try `wandb login --relogin`, or add --dry-run") from error
    if not entity:
        raise UserError("the W&B account has no default entity: add --entity NAME")
    return entity


def publish(dashboard: Dashboard, entity: str, project: str) -> Iterator[tuple[str, str]]:
    """Save the report, then the workspaces; yield the name and address of each when it is saved.

    A page that an earlier call left in the project, also from another machine, is replaced and keeps its address.

    Raises:
        UserError: W&B did not take one; those before it are saved.
    """
    pages: dict[str, wr.Report | ws.Workspace] = {"report": report(dashboard, entity, project)}
    for name, sections in dashboard.workspaces.items():
        pages[f"workspace {name}"] = workspace(name, sections, entity, project)
    for name, page in pages.items():
        try:
            _find_itself(page)
            page.save()  # type: ignore[no-untyped-call]
            address = str(page.url)
        except Exception as error:  # W&B raises many types, for no network, no rights, no such project
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise UserError(f"W&B did not take the {name}: {reason}; look at --entity and --project") from error
        yield name, address


def _find_itself(page: wr.Report | ws.Workspace) -> None:
    """Give a page the id of the one that stands in the project under the same title or name, if there is one."""
    if isinstance(page, wr.Report):
        reports = wandb.Api().reports(f"{page.entity}/{page.project}")
        page.id = next((found.id for found in reports if found.display_name == page.title), "")
        return
    page._internal_name = f"nw-msaseg{page.name.replace('_', '')}-v"
    try:
        page._internal_id = ws.internal.View.from_name(page.entity, page.project, page._internal_name).id
    except ValueError:  # there is none yet
        page._internal_id = ""


def report(dashboard: Dashboard, entity: str, project: str) -> wr.Report:
    """Return the report: under each heading a grid of panels with its own runs."""
    blocks: list[wr.BlockTypes] = [wr.MarkdownBlock(text=INTRODUCTION), wr.TableOfContents()]
    for section in dashboard.sections:
        runs = wr.Runset(
            entity=entity,
            project=project,
            name=section.id,
            filters=section.runs.filter,
            groupby=[f"config.{key}" for key in section.runs.group_by],
            order=[wr.OrderBy("Name", ascending=True)],
        )
        blocks += [wr.H1(text=section.title), wr.PanelGrid(runsets=[runs], panels=_panels(section))]
    return wr.Report(entity=entity, project=project, title=dashboard.title, width="fluid", blocks=blocks)


def workspace(name: str, sections: Sequence[Section], entity: str, project: str) -> ws.Workspace:
    """Return a saved view of the project's workspace that shows the runs of its first section."""
    runs = sections[0].runs
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(
                name=section.title,
                panels=_panels(section),
                is_open=True,
                layout_settings=ws.SectionLayoutSettings(columns=COLUMNS, rows=-(-len(section.panels) // COLUMNS)),
            )
            for section in sections
        ],
        settings=ws.WorkspaceSettings(max_runs=LIMIT),
        runset_settings=ws.RunsetSettings(
            filters=runs.filter,
            groupby=[ws.Config(key) for key in runs.group_by],
            order=[ws.Ordering(ws.Metric("Name"), ascending=True)],
        ),
    )


def _panels(section: Section) -> list[wr.PanelTypes]:
    return [_panel(panel, place) for place, panel in enumerate(section.panels)]


def _panel(panel: Panel, place: int) -> wr.PanelTypes:
    down, across = divmod(place, COLUMNS)
    layout = wr.Layout(x=across * WIDTH, y=down * HEIGHT, w=WIDTH, h=HEIGHT)
    metrics: list[wr.MetricType] = [*panel.metrics]
    looks: dict[str, Any] = {"title": panel.title, "layout": layout}
    means = looks | {"groupby_aggfunc": "mean", "max_runs_to_show": LIMIT}
    match panel.kind:
        case "text":
            return wr.MarkdownPanel(markdown=f"### {panel.title}\n\n{panel.text}", layout=layout)
        case "bars":
            return wr.BarPlot(metrics=metrics, groupby_rangefunc="stddev", max_bars_to_show=LIMIT, **means)
        case "curve":
            return wr.LinePlot(x=panel.x, y=metrics, groupby_rangefunc="minmax", **means)
        case "scatter":
            across_runs, up = (wr.SummaryMetric(name) for name in (panel.x, panel.metrics[0]))
            return wr.ScatterPlot(x=across_runs, y=up, log_x=True, **looks)
        case "comparison":
            return wr.RunComparer(diff_only="split", layout=layout)
        case "table":
            return wr.WeavePanelSummaryTable(table_name=panel.metrics[0], layout=layout)
        case "media":
            return wr.MediaBrowser(media_keys=list(panel.metrics), grid_x_axis="index", grid_y_axis="run", **looks)
