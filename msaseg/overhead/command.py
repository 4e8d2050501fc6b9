"""What the suite costs over doing without it.

Two things that are compared take turns in one process, so that a busy machine slows both; the ratio of each
pair of turns counts, not the seconds.
"""

import json
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msaseg.data.camvid import list_frames
from msaseg.overhead import page
from msaseg.overhead.loader import measure_loader
from msaseg.overhead.measurement import Measurement
from msaseg.overhead.page import line, page_of, page_part
from msaseg.overhead.precision import BF16_LEFT_OUT, computes_in_bf16, measure_precision
from msaseg.overhead.rendering import measure_tables
from msaseg.overhead.report import measure_report
from msaseg.overhead.step import measure_step
from msaseg.records import provenance
from msaseg.records.files import write_whole
from msaseg.tables.protocols import machine_paths
from msaseg.training import run as running


def measure(root: Path | None, repeats: int, steps: int) -> dict[str, Any]:
    """Make the measurements, print each, and return their record."""
    code = provenance.code_state()  # before anything is written
    step, hardware = measure_step(repeats, steps)
    print(line(asdict(step)), flush=True)
    if root is None:
        print("no CamVid here (--data, MSASEG_DATA): the loader reads a synthetic tree", flush=True)
    measured = [step]
    for one in others(root, repeats, steps):
        measured.append(one)
        print(line(asdict(one)), flush=True)
    left_out = [] if computes_in_bf16() else [BF16_LEFT_OUT]
    for what in left_out:
        print(f"left out: {what}", flush=True)
    return {
        "measurements": [asdict(one) for one in measured],
        "left_out": left_out,
        "code": code,
        "versions": provenance.versions(),
        "hardware": hardware,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def others(root: Path | None, repeats: int, steps: int) -> Iterator[Measurement]:
    """Make the measurements that follow the first, in the order of the page."""
    for protocol in ("paper", "laptop"):
        yield measure_loader(protocol, root, repeats, steps)
    yield measure_tables()
    yield from measure_report()
    if computes_in_bf16():
        for protocol in ("paper", "laptop"):
            yield measure_precision(protocol, repeats, steps)


def overhead(arguments: Namespace) -> int:
    """Measure, write if asked to; return 1 if a requirement is missed."""
    for message in running.EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message)
    root = arguments.data or machine_paths().data
    if not (root.exists() or arguments.data or "MSASEG_DATA" in os.environ):
        root = None
    else:
        list_frames(root)  # a bad tree is told before minutes are spent
    if arguments.write:
        page_of("")  # and so is a page without its markers
    record = measure(root, arguments.repeats, arguments.steps)
    if arguments.write:
        write_whole(page.RECORD, json.dumps(record, indent=1) + "\n")
        write_whole(page.PAGE, page_of(page_part(record)))
        print(f"{page.RECORD}\n{page.PAGE}")
    missed = [one for one in (Measurement(**measured) for measured in record["measurements"]) if not one.met]
    if missed:
        told = "; ".join(f"{one.what}: {one.result:.4g}, required {one.required}" for one in missed)
        print(f"error: missed: {told}", file=sys.stderr)
    return int(bool(missed))
