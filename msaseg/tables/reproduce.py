"""From nothing to rendered tables: say what is missing, get the data, make the runs, render, sum up."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from msaseg.cli.duration import duration
from msaseg.cli.errors import UserError
from msaseg.cli.stopping import stops_in_one_line
from msaseg.config import compose_run
from msaseg.records.files import write_whole
from msaseg.records.places import results_root
from msaseg.sweep.gpus import visible_gpus
from msaseg.sweep.job import Job
from msaseg.sweep.places import Places
from msaseg.sweep.runs import Settings, make_runs
from msaseg.tables.pages import pages
from msaseg.tables.plan import Plan, Point
from msaseg.tables.protocols import Protocol, machine_paths
from msaseg.tables.results import Results
from msaseg.tables.runs import Run
from msaseg.tables.spec import Table
from msaseg.tables.summary import print_summary

TRAIN = "msaseg.train"
COMPUTED = 1.0
"""Seconds of a run that trains nothing: mostly its start."""


def reproduce(
    tables: Sequence[Table], plan: Plan, protocol: str, seeds: Sequence[int] | None, train: str = TRAIN
) -> int:
    """Make the missing runs of every table under one protocol, all in one sweep, then render.

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
        SystemExit: with status 143 or 130 after SIGTERM or Ctrl-C while runs are made.
    """
    about = plan.protocol(protocol)
    work, settings = work_left(tables, Results(plan.outputs), protocol, seeds), Settings.load()
    places = settings.places(visible_gpus())
    print(announcement(work, about, places), flush=True)
    if work and about.needs_data:
        get_data(machine_paths().data)
    if work:
        jobs = [job_of(point, plan, train) for left in work for point in left.missing]
        with stops_in_one_line():
            make_runs(jobs, settings, compose_run([f"protocol={protocol}"]).get("logger"))
    results = Results(plan.outputs)
    for path, text in pages(tables, results, protocol).items():
        write_whole(path, text)
    for table in tables:
        print_summary(results.filled(table, protocol))
    left = work_left(tables, results, protocol, seeds)
    folder = results_root(about.publish, plan.outputs) / "tables"
    return _end(protocol, left, list(results.unreadable.values()), folder)


def _end(protocol: str, left: Sequence["Work"], unreadable: list[str], folder: Path) -> int:
    for line in unreadable:
        print(f"error: {line}", file=sys.stderr)
    print(f"Tables: {folder}")
    if left:
        runs = sum(len(work.missing) for work in left)
        which = ", ".join(work.table.id for work in left)
        print(f"error: {runs} runs are still missing ({which}); the same command goes on from here", file=sys.stderr)
    else:
        print(f"Next: python -m msaseg.figures --protocol {protocol} draws them;")
        print(f"then python -m msaseg.report --protocol {protocol} writes {folder.with_name('report.html')}")
    return 1 if left or unreadable else 0


def job_of(point: Point, plan: Plan, train: str = TRAIN) -> Job:
    """Return a run of a table as a job of a sweep. Its folder is named as its record is (`conf/train.yaml`)."""
    folder = point.path(plan.outputs / "runs").with_suffix("")
    record = point.path(plan.records(point.protocol))
    name = f"{point.table}/{point.row}/seed{point.seed}"
    return Job(name, (train, *point.overrides), folder / "console.log", record)


@dataclass(frozen=True)
class Work:
    """What is left to do for one table.

    Args:
        table: to fill.
        missing: its runs that have no record, those that a table before it makes left out.
        done: its runs that have one.
    """

    table: Table
    missing: tuple[Point, ...]
    done: tuple[Run, ...]


def work_left(tables: Sequence[Table], results: Results, protocol: str, seeds: Sequence[int] | None) -> list[Work]:
    """Return the tables that have missing runs, each run with the first table that needs it."""
    left = results.plan.left(tables, protocol, seeds)
    return [Work(table, missing, results.filled(table, protocol).runs) for table, missing in left]


def announcement(left: Sequence[Work], protocol: Protocol, places: Places) -> str:
    """Return how many runs are to be made, on what, and roughly how long that takes.

    A table's runs on like hardware tell the time; where there are none, the protocol does, and `COMPUTED` for a
    table that trains nothing.
    """
    names = sorted({gpu.name or "GPU" for gpu in places.gpus})
    hardware = f"{len(places.gpus)} x {', '.join(names)}" if names else f"CPU, {os.cpu_count()} cores"
    if not left:
        return f"Protocol {protocol.name}: no run is missing."
    total, measured = 0.0, set()
    for work in left:
        like = [run.seconds for run in work.done if _alike(run, names, places.count)]
        guess = COMPUTED if work.table.texts else 60 * protocol.minutes["gpu" if names else "cpu"]
        total += (fmean(like) if like else guess) * len(work.missing)
        measured.add(bool(like))
    runs = sum(len(work.missing) for work in left)
    basis = "partly measured" if len(measured) == 2 else "measured here" if measured.pop() else "estimated"
    return (
        f"Protocol {protocol.name}: {runs} runs are missing. Hardware: {hardware}. "
        f"About {duration(total / min(places.count, runs))} ({basis})."
    )


def _alike(run: Run, gpu_names: Sequence[str], count: int) -> bool:
    if gpu_names:
        return run.hardware.get("device") in gpu_names
    threads = max(1, (os.cpu_count() or 1) // count)
    return run.hardware.get("kind") == "cpu" and run.hardware.get("threads") == threads


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
