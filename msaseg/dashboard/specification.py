"""What the W&B pages show, as plain data: the dry run prints an outline, publishing makes W&B's objects from it."""

import json
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Panel:
    """One panel.

    Args:
        kind: "text"; "bars", the last value of each run; "curve"; "scatter", a point a run; "table", a logged
            `wandb.Table`; "media"; "comparison" of the runs' configurations and last values.
        title: heading.
        metrics: what it shows, under the names that a run logs; none for a text or a comparison.
        x: what a curve or scatter is drawn over, as a run logs it; "" for the other kinds.
        text: Markdown.
    """

    kind: Literal["text", "bars", "curve", "scatter", "table", "media", "comparison"]
    title: str
    metrics: tuple[str, ...] = ()
    x: str = ""
    text: str = ""


@dataclass(frozen=True)
class Runs:
    """Which runs are shown, and which of them as one.

    Args:
        filter: W&B's expression that picks them; "" for every run of the project.
        group_by: keys of a run's configuration; runs that agree in all of them are one bar or curve, their mean.
    """

    filter: str
    group_by: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """Panels under one heading.

    Args:
        id: of the table that it is about, or a name of its own.
        title: heading.
        panels: in the order shown.
        runs: that it shows in the report. A workspace shows the same runs in all its sections.
    """

    id: str
    title: str
    panels: tuple[Panel, ...]
    runs: Runs


@dataclass(frozen=True)
class Dashboard:
    """All that is published: a report of every section, and a workspace for each table that has runs in W&B.

    W&B picks the runs of a whole workspace, not of one of its panels or sections; so a table's bars and curves stand
    in a workspace of their own.

    Args:
        title: of the report.
        tables: one section a table.
        common: sections on the runs themselves, whatever table they fill.
    """

    title: str
    tables: tuple[Section, ...]
    common: tuple[Section, ...]

    @property
    def sections(self) -> tuple[Section, ...]:
        """Every section, in the order of the report."""
        return *self.tables, *self.common

    @property
    def workspaces(self) -> dict[str, tuple[Section, ...]]:
        """Name of each workspace to its sections; it shows the runs of the first of them."""
        measured = [section for section in self.tables if any(panel.metrics for panel in section.panels)]
        return {
            own.id: (own, *(section for section in self.common if not set(section.panels) <= set(own.panels)))
            for own in measured  # what a table's own section shows already is left out of the others
        }


def outline(dashboard: Dashboard, project: str) -> str:
    """Return the pages, their sections and the titles of their panels, indented."""
    lines = [f"project {project}", f"report {dashboard.title}"]
    for section in dashboard.sections:
        lines.append(f"  {section.title}")
        lines += [f"    {panel.kind}: {panel.title}" for panel in section.panels]
    lines += [f"workspace {name}: {len(sections)} sections" for name, sections in dashboard.workspaces.items()]
    return "\n".join(lines)


def to_json(dashboard: Dashboard, project: str) -> str:
    """Return the specification as JSON; sections stand in it once, pages name them."""
    workspaces = [
        {"name": name, "runs": asdict(sections[0].runs), "sections": [section.id for section in sections]}
        for name, sections in dashboard.workspaces.items()
    ]
    content = {
        "project": project,
        "report": {"title": dashboard.title, "sections": [section.id for section in dashboard.sections]},
        "workspaces": workspaces,
        "sections": [asdict(section) for section in dashboard.sections],
    }
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
