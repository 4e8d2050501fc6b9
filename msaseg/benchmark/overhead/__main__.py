"""What the suite costs over doing without it: `python -m msaseg.benchmark.overhead`, also `make bench-overhead`.

Two things that are compared take turns in one process, so that a busy machine slows both; the ratio of each
pair of turns counts, not the seconds.
"""

import argparse
import json
import os
import sys
import warnings
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from msaseg.benchmark.overhead import page
from msaseg.benchmark.overhead.bf16_step import LEFT_OUT, measure_bf16
from msaseg.benchmark.overhead.commands import measure_commands
from msaseg.benchmark.overhead.loader import measure_loader
from msaseg.benchmark.overhead.measurement import Measurement
from msaseg.benchmark.overhead.page import line, page_of, page_part
from msaseg.benchmark.overhead.step import measure_step
from msaseg.cli.errors import UserError
from msaseg.data.camvid import list_frames
from msaseg.records import provenance
from msaseg.records.files import write_whole
from msaseg.tables.protocols import machine_paths
from msaseg.training import run as running


def measure(root: Path | None, repeats: int, steps: int) -> dict[str, Any]:
    """Make the measurements, print each, and return their record."""
    code = provenance.code_state()  # before anything is written
    if root is None:
        print("no CamVid here (--data, MSASEG_DATA): the loader reads a synthetic tree", flush=True)
    step, hardware = measure_step(repeats, steps)
    protocols, in_bf16 = ("paper", "laptop"), torch.cpu._is_avx512_bf16_supported()
    loaders = (measure_loader(protocol, root, repeats, steps) for protocol in protocols)
    bf16_steps = (measure_bf16(protocol, repeats, steps) for protocol in protocols if in_bf16)
    measured = []
    for one in chain([step], loaders, measure_commands(), bf16_steps):
        measured.append(asdict(one))
        print(line(measured[-1]), flush=True)
    left_out = [] if in_bf16 else [LEFT_OUT]  # emulated, and only slower
    for what in left_out:
        print(f"left out: {what}", flush=True)
    return {
        "measurements": measured,
        "left_out": left_out,
        "code": code,
        "versions": provenance.versions(),
        "hardware": hardware,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def run(arguments: argparse.Namespace) -> int:
    """Measure, write if asked to; return 1 if a requirement is missed."""
    for key in ("repeats", "steps"):
        if getattr(arguments, key) < 1:
            raise UserError(f"--{key} {getattr(arguments, key)}: set 1 or more")
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 for a missed requirement, 2 for a mistake of the user."""
    parser = argparse.ArgumentParser(prog="python -m msaseg.benchmark.overhead", description="What the suite costs.")
    parser.add_argument("--write", action="store_true", help="rewrite the record and docs/benchmarks.md")
    parser.add_argument("--data", type=Path, help="a CamVid tree; default: MSASEG_DATA, data/camvid, a synthetic one")
    parser.add_argument("--repeats", type=int, default=9, help="pairs of turns (default 9)")
    parser.add_argument("--steps", type=int, default=20, help="steps or batches a turn (default 20)")
    for message in running.EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message)
    try:
        return run(parser.parse_args(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
