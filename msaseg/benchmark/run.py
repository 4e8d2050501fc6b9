"""One run: build all nets, time them in turns, write a record each, print the table."""

import logging
import re
import sys
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import torch
from omegaconf import DictConfig

from msaseg.benchmark.clocks import read_clocks
from msaseg.benchmark.memory import memory_limit, peak_bytes, release
from msaseg.benchmark.precision import TYPES, products_in
from msaseg.benchmark.record import Results, records
from msaseg.benchmark.roofline import Peaks, higher, measure_peaks
from msaseg.benchmark.session import Conditions, make_step, prepare
from msaseg.benchmark.throughput import ENDS, find_best_batches
from msaseg.benchmark.timing import Procedure, Step, Stopwatch, stopwatch, take_turns
from msaseg.benchmark.variants import CHOICES, Variant, build, parse
from msaseg.cli.errors import UserError
from msaseg.cli.extras import check_onnx
from msaseg.cli.mistakes import suggestion
from msaseg.records.speed import SAMPLES, speeds_root
from msaseg.tables import speed_page
from msaseg.training.restore import choose_device

log = logging.getLogger(__name__)

SMALLEST = 64
"""Height and width that every net takes."""
POSITIVE = ("repeats", "calls", "most_images")


def measure(config: DictConfig) -> int:
    """Make one run of a composed configuration.

    Returns:
        0, or 1 if a net failed.

    Raises:
        UserError: a mistake in the configuration, before anything is measured.
    """
    conditions, procedure = read(config)
    variants = parse(config.nets, {key: config[key] for key in CHOICES})
    labels = [variant.label for variant in variants]
    reference = " ".join(str(config.reference or labels[0]).split())
    if reference not in labels:
        raise UserError(f"reference={reference} is not an entry of nets: {suggestion(reference, labels)}")
    for variant in variants:
        if variant.mode == "onnxruntime":
            check_onnx("mode=onnxruntime")
    torch.backends.cudnn.benchmark = True  # sizes are fixed: let cuDNN choose by trying, for every net alike
    with memory_limit(conditions.device):
        results = _measure(variants, config.seed, conditions, procedure, config.most_images)
    found = list(records(config, reference, conditions, results))
    root = speeds_root(config.publish, Path(config.paths.outputs))
    paths = [record.save(root) for record in found]
    if found:
        log.info("\n%s\n\n%s\n", speed_page.conditions(found[0]), speed_page.table(found))
        log.info("%d records in %s", len(paths), paths[0].parent)
    if results.failed:
        names = ", ".join(results.failed)
        print(f"error: {len(results.failed)} of {len(variants)} nets failed: {names}", file=sys.stderr)
    return int(bool(results.failed))


def read(config: DictConfig) -> tuple[Conditions, Procedure]:
    """Return the conditions and the procedure of a run.

    Raises:
        UserError: a value that cannot be meant.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", str(config.size))
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if min(size) < SMALLEST:
        raise UserError(f"size={config.size}: write HEIGHTxWIDTH, {SMALLEST} or more each, like 360x480")
    for key in (*POSITIVE, "warmup", "seed"):
        least = 1 if key in POSITIVE else 0
        if not isinstance(config[key], int) or config[key] < least:
            raise UserError(f"{key}={config[key]}: write a whole number, {least} or more")
    if config.device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={config.device}: {suggestion(str(config.device), ('auto', 'cpu', 'cuda'))}")
    samples = config.repeats * config.calls
    if config.publish and samples < SAMPLES:
        raise UserError(f"repeats × calls = {samples}: a published speed takes {SAMPLES}: write more, or publish=false")
    return Conditions(size, choose_device(config.device)), Procedure(config.warmup, config.repeats, config.calls)


def _measure(variants: list[Variant], seed: int, conditions: Conditions, procedure: Procedure, most: int) -> Results:
    results, device, watch = Results(), conditions.device, stopwatch(conditions.device)
    ended = {"total": time.perf_counter()}
    steps = _first_steps(variants, seed, conditions, results)
    precisions = {variant.precision for variant in variants if variant.label in steps}
    before = _peaks(precisions, device, watch)
    ended["prepare"] = time.perf_counter()
    log.info("%d nets in turns on %s", len(steps), device)
    results.clocks["before"] = read_clocks(device)
    results.turns, failures = take_turns(steps, watch, procedure)
    results.clocks["after"] = read_clocks(device)  # at once: an idle GPU slows down
    for label, failure in failures.items():
        results.fail(label, failure)
    steps.clear()
    release(device)
    ended["latency"] = time.perf_counter()
    for label in results.turns:
        _see_peak(results, label, conditions)
    ended["memory"] = time.perf_counter()
    results.throughput = find_best_batches(
        results.turns,
        lambda label, batch: make_step(results.subjects[label], batch, conditions),
        watch,
        procedure,
        most,
        lambda: release(device),
    )
    for label, reached in results.throughput.items():
        if reached.stopped not in ENDS:
            results.fail(label, RuntimeError(f"a larger batch: {reached.stopped}"))
    ended["throughput"] = time.perf_counter()
    after = _peaks(precisions, device, watch)
    results.peaks = {precision: higher(before[precision], after[precision]) for precision in precisions}
    ended["peaks"] = time.perf_counter()
    results.seconds = {"total": ended["peaks"] - ended["total"]}
    results.seconds |= {phase: end - start for (_, start), (phase, end) in pairwise(ended.items())}
    return results


def _first_steps(variants: list[Variant], seed: int, conditions: Conditions, results: Results) -> dict[str, Step]:
    """Prepare all nets, and return the steps of batch 1."""
    nets = {variant.label: build(variant, seed) for variant in variants}  # mistakes end the run before it begins
    steps = {}
    for variant in variants:
        try:
            results.subjects[variant.label] = prepare(variant, nets.pop(variant.label), conditions)
            steps[variant.label] = make_step(results.subjects[variant.label], 1, conditions)
        except Exception as error:  # whatever a form, a compiler or an exporter raises ends this net alone
            results.fail(variant.label, error)
    return steps


def _peaks(precisions: Iterable[str], device: torch.device, watch: Stopwatch) -> dict[str, Peaks]:
    found = {}
    for precision in sorted(precisions):
        with products_in(precision):
            found[precision] = measure_peaks(device, TYPES[precision], watch)
    return found


def _see_peak(results: Results, label: str, conditions: Conditions) -> None:
    subject = results.subjects[label]
    if subject.variant.mode == "onnxruntime":  # has an allocator of its own
        return
    try:
        call = lambda: make_step(subject, 1, conditions)()  # noqa: E731
        results.peak[label] = peak_bytes(subject.net, call, conditions.device)
    except Exception as error:  # as above
        results.fail(label, error)
