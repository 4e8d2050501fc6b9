"""From nothing to rendered tables: say what is missing, get the data, make the runs, render, sum up."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table as Grid

from msaseg.config import CONF
from msaseg.errors import UserError
from msaseg.gpus import Gpu, visible_gpus
from msaseg.records import results_root
from msaseg.tables.cells import Group, Run, group
from msaseg.tables.layout import layout
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import Protocol, machine_paths
from msaseg.tables.readme import update_readme
from msaseg.tables.render import (
    groups_of,
    legend,
    published,
    render_all,
    write,
)
from msaseg.tables.spec import Table

TRAIN = "msaseg.train"


def reproduce(
    tables: Sequence[Table], plan: Plan, protocol: str, seeds: Sequence[int] | None, train: str = TRAIN
) -> int:
    """Make the missing runs of every table under one protocol, then render.

    Args:
        tables: to fill.
        plan: of their runs.
        protocol: to run under.
        seeds: instead of those that each sweep names.
        train: module that makes the runs.

    Returns:
        The exit status: 1 if a run failed or is still missing, or a record cannot be read.

    Raises:
        UserError: CamVid is absent and could not be fetched.
    """
    missing = {table.id: len(plan.missing(table, protocol, seeds)) for table in tables}
    about, gpus, complaints = plan.protocol(protocol), visible_gpus(), list[str]()
    runs = [run for table in tables for run in group(table, protocol, plan, []).runs]
    print(announcement(sum(missing.values()), about, runs, gpus), flush=True)
    if any(missing.values()) and about.needs_data:
        get_data(machine_paths().data)
    failed = [id for id, count in missing.items() if count and not _sweep(id, protocol, seeds, train)]
    names = published() if about.publish else [protocol]
    folder = results_root(about.publish, plan.outputs) / "tables"
    write(render_all(tables, plan, names, complaints), folder)
    if about.publish:
        update_readme(plan)
    for table in tables:
        _summary(table, groups_of(table, plan, [protocol], [])[0])
    left = sum(len(plan.missing(table, protocol, seeds)) for table in tables)
    return _end(left, failed, complaints, folder)


def _end(left: int, failed: list[str], complaints: list[str], folder: Path) -> int:
    for line in complaints:
        print(f"error: {line}", file=sys.stderr)
    print(f"Tables: {folder}")
    if left or failed:
        broken = f" (sweeps that failed: {', '.join(failed)})" if failed else ""
        print(
            f"error: {left} runs are still missing{broken}; the same command goes on from here",
            file=sys.stderr,
        )
    return 1 if left or failed or complaints else 0


def announcement(missing: int, protocol: Protocol, runs: Sequence[Run], gpus: Sequence[Gpu]) -> str:
    """Return how many runs are to be made, on what, and roughly how long that takes.

    Args:
        missing: number of runs.
        protocol: that they run under.
        runs: that exist under it; those on like hardware tell the time, else the protocol does.
        gpus: of this machine.
    """
    names = sorted({gpu.name or "GPU" for gpu in gpus})
    hardware = f"{len(gpus)} x {', '.join(names)}" if gpus else f"CPU, {os.cpu_count()} cores"
    if not missing:
        return f"Protocol {protocol.name}: no run is missing."
    like = [run.seconds for run in runs if _alike(run, names)]
    seconds = fmean(like) if like else 60 * protocol.minutes["gpu" if gpus else "cpu"]
    total = seconds * -(-missing // _slots(gpus))
    basis = "measured here" if like else "estimated"
    return (
        f"Protocol {protocol.name}: {missing} runs are missing. Hardware: {hardware}. "
        f"About {_duration(total)} ({_duration(seconds)} a run, {basis})."
    )


def _alike(run: Run, gpu_names: Sequence[str]) -> bool:
    if gpu_names:
        return run.hardware.get("device") in gpu_names
    return run.hardware.get("kind") == "cpu" and run.hardware.get("cores") == os.cpu_count()


def _slots(gpus: Sequence[Gpu]) -> int:
    return max(1, len(gpus) * int(OmegaConf.load(CONF / "hydra" / "launcher" / "gpus.yaml").jobs_per_gpu))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def get_data(folder: Path) -> None:
    """Fetch CamVid unless its folder has content.

    Raises:
        UserError: it could not be fetched.
    """
    if folder.is_dir() and any(folder.iterdir()):
        return
    print(f"CamVid is not at {folder}: fetching it.", flush=True)
    if subprocess.run([sys.executable, "-m", "msaseg.data", "fetch", str(folder)]).returncode:
        raise UserError(
            "CamVid could not be fetched (see the line above); "
            "for a copy that you have: MSASEG_DATA=/path/to/CamVid make reproduce-tables"
        )


def _sweep(experiment: str, protocol: str, seeds: Sequence[int] | None, train: str) -> bool:
    """Make the missing runs of one experiment; the launcher passes over those that have a record."""
    chosen = [f"seed={','.join(map(str, seeds))}"] if seeds else []
    words = [f"+experiment={experiment}", f"protocol={protocol}", *chosen]
    print(f"python -m {train} {' '.join(words)} -m", flush=True)
    return subprocess.run([sys.executable, "-m", train, "-m", *words]).returncode == 0


def _summary(table: Table, part: Group) -> None:
    """Print one protocol's cells of a table to the terminal."""
    grid = Grid(title=f"{table.title} — protocol {part.protocol.name}", title_justify="left")
    head, lines = layout(table, [part])
    for number, heading in enumerate(head):
        grid.add_column(heading.replace("`", ""), justify="right" if number else "left")
    for cells in lines:
        grid.add_row(*cells)
    console = Console()
    console.print(grid)
    for line in legend([part]):
        console.print(f"  {line}", style="dim", highlight=False)
