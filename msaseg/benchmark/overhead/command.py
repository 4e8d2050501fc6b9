"""What the suite costs over doing without it.

Two things that are compared take turns in one process, so that a busy machine slows both; the ratio of each
pair of turns counts, not the seconds.
"""

import json
import os
import sys
import warnings
from argparse import Namespace
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from msaseg.benchmark.overhead import page
from msaseg.benchmark.overhead.commands import measure_commands
from msaseg.benchmark.overhead.cpu_step import LEFT_OUT, measure_bf16, measure_kept_memory
from msaseg.benchmark.overhead.loader import measure_loader
from msaseg.benchmark.overhead.measurement import Measurement
from msaseg.benchmark.overhead.page import line, page_of, page_part
from msaseg.benchmark.overhead.step import measure_step
from msaseg.data.camvid import list_frames
from msaseg.records import provenance
from msaseg.records.files import write_whole
from msaseg.tables.protocols import machine_paths
from msaseg.training.run import EXPECTED_WARNINGS


def measure(root: Path | None, repeats: int, steps: int) -> dict[str, Any]:
    """Make the measurements, print each, and return their record."""
    code = provenance.code_state()  # before anything is written
    if root is None:
        print("no CamVid here (--data, MSASEG_DATA): the loader reads a synthetic tree", flush=True)
    step, hardware = measure_step(repeats, steps)
    protocols, in_bf16 = ("paper", "laptop"), torch.cpu._is_avx512_bf16_supported()
    loaders = (measure_loader(protocol, root, repeats, steps) for protocol in protocols)
    bf16_steps = (measure_bf16(protocol, repeats, steps) for protocol in protocols if in_bf16)
    kept_memory = (measure_kept_memory(repeats) for _ in range(in_bf16))
    measured = []
    for one in chain([step], loaders, measure_commands(), bf16_steps, kept_memory):
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


def overhead(arguments: Namespace) -> int:
    """Measure, write if asked to; return 1 if a requirement is missed."""
    for message in EXPECTED_WARNINGS:
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
