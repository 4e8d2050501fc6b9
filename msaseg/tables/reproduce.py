"""From nothing to rendered tables: say what is missing, get the data, make the runs, render, sum up."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from omegaconf import OmegaConf

from msaseg.cli.errors import UserError
from msaseg.config import CONF
from msaseg.records.files import write_whole
from msaseg.records.places import results_root
from msaseg.sweep.gpus import Gpu, visible_gpus
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import Protocol, machine_paths
from msaseg.tables.readme import update_readme
from msaseg.tables.render import render_all, write
from msaseg.tables.results import Results
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table
from msaseg.tables.summary import print_summary
from msaseg.tables.verdicts import FILE as VERDICTS
from msaseg.tables.verdicts import page as verdicts_page
from msaseg.tables.verdicts import verdicts

TRAIN = "msaseg.train"
COMPUTED = 10.0
"""Seconds of a run that trains nothing: mostly its start."""


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
    about = plan.protocol(protocol)
    work = work_left(tables, plan, protocol, seeds)
    print(announcement(work, about, visible_gpus()), flush=True)
    if work and about.needs_data:
        get_data(machine_paths().data)
    failed = [
        table.id
        for table in tables
        if plan.missing(table, protocol, seeds) and not _sweep(table.id, protocol, seeds, train)
    ]
    results = Results(plan.outputs)
    names = results.published if about.publish else [protocol]
    folder = results_root(about.publish, plan.outputs) / "tables"
    write(render_all(tables, results, names), folder)
    if about.publish:
        write_whole(folder / VERDICTS, verdicts_page(verdicts(results.tables.values(), results, names)))
        update_readme(results)
    for table in tables:
        print_summary(results.filled(table, protocol))
    left = sum(len(plan.missing(table, protocol, seeds)) for table in tables)
    return _end(protocol, left, failed, list(results.unreadable.values()), folder)


def _end(protocol: str, left: int, failed: list[str], unreadable: list[str], folder: Path) -> int:
    for line in unreadable:
        print(f"error: {line}", file=sys.stderr)
    print(f"Tables: {folder}")
    if left or failed:
        broken = f" (sweeps that failed: {', '.join(failed)})" if failed else ""
        print(
            f"error: {left} runs are still missing{broken}; the same command goes on from here",
            file=sys.stderr,
        )
    else:
        print(f"Next: python -m msaseg.figures --protocol {protocol} draws them;")
        print(f"then python -m msaseg.report --protocol {protocol} writes {folder.with_name('report.html')}")
    return 1 if left or failed or unreadable else 0


@dataclass(frozen=True)
class Work:
    """What is left to do for one table.

    Args:
        table: to fill.
        missing: number of its runs that have no record, those that a table before it makes left out.
        done: its runs that have one.
    """

    table: Table
    missing: int
    done: tuple[Run, ...]


def work_left(tables: Sequence[Table], plan: Plan, protocol: str, seeds: Sequence[int] | None) -> list[Work]:
    """Return the tables that have missing runs, each run counted with the first table that needs it."""
    counted: set[tuple[str, int]] = set()
    left, results = [], Results(plan.outputs)
    for table in tables:
        runs = {(point.config_hash, point.seed) for point in plan.missing(table, protocol, seeds)} - counted
        counted |= runs
        if runs:
            left.append(Work(table, len(runs), results.filled(table, protocol).runs))
    return left


def announcement(left: Sequence[Work], protocol: Protocol, gpus: Sequence[Gpu]) -> str:
    """Return how many runs are to be made, on what, and roughly how long that takes.

    A table's runs on like hardware tell the time; where there are none, the protocol does, and `COMPUTED` for a
    table that trains nothing.

    Args:
        left: tables with missing runs.
        protocol: that they run under.
        gpus: of this machine.
    """
    names = sorted({gpu.name or "GPU" for gpu in gpus})
    hardware = f"{len(gpus)} x {', '.join(names)}" if gpus else f"CPU, {os.cpu_count()} cores"
    if not left:
        return f"Protocol {protocol.name}: no run is missing."
    total, measured = 0.0, set()
    for work in left:
        like = [run.seconds for run in work.done if _alike(run, names)]
        guess = COMPUTED if work.table.texts else 60 * protocol.minutes["gpu" if gpus else "cpu"]
        total += (fmean(like) if like else guess) * -(-work.missing // _slots(gpus))
        measured.add(bool(like))
    basis = "partly measured" if len(measured) == 2 else "measured here" if measured.pop() else "estimated"
    return (
        f"Protocol {protocol.name}: {sum(work.missing for work in left)} runs are missing. Hardware: {hardware}. "
        f"About {_duration(total)} ({basis})."
    )


def _alike(run: Run, gpu_names: Sequence[str]) -> bool:
    if gpu_names:
        return run.hardware.get("device") in gpu_names
    threads = max(1, (os.cpu_count() or 1) // _slots([]))
    return run.hardware.get("kind") == "cpu" and run.hardware.get("threads") == threads


def _slots(gpus: Sequence[Gpu]) -> int:
    launcher = OmegaConf.load(CONF / "hydra" / "launcher" / "gpus.yaml")
    return len(gpus) * int(launcher.jobs_per_gpu) if gpus else int(launcher.jobs_on_cpu)


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
