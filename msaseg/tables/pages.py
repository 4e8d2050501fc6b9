"""Every file that the records fill: tables, verdicts, speeds and the README's parts."""

from collections.abc import Sequence
from pathlib import Path

from msaseg.records import places
from msaseg.records.places import results_root
from msaseg.records.speed import speeds_root
from msaseg.tables import speed_page, verdicts
from msaseg.tables.readme import readme_today
from msaseg.tables.render import render_all
from msaseg.tables.results import Results
from msaseg.tables.spec import Table


def pages(tables: Sequence[Table], results: Results, protocol: str | None = None) -> dict[Path, str]:
    """Return path to content of what the records give today.

    Args:
        tables: to render.
        results: what is recorded.
        protocol: that is not published, whose tables alone lie beside its runs; any other, or None, for all published.
    """
    outputs = results.plan.outputs
    publish = protocol is None or results.plan.protocol(protocol).publish
    names = results.published if publish or protocol is None else [protocol]
    folder, found = results_root(publish, outputs) / "tables", dict[Path, str]()
    for table, rendered in render_all(tables, results, names).items():
        found[folder / f"{table}.md"], found[folder / f"{table}.csv"] = rendered.markdown, rendered.csv
    if publish:
        decided = verdicts.verdicts(results.tables.values(), results, names)
        found[folder / verdicts.FILE] = verdicts.page(decided)
        if speeds := speed_page.page(results.speeds(speeds_root(True, outputs))):
            found[speeds_root(True, outputs) / "README.md"] = speeds
        if places.PUBLISHED is not None:
            found[places.README] = readme_today(results)
    return found
