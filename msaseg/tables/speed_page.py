"""Measured speeds as tables: one line a net, the ratio first."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from msaseg.records.speed import SAMPLES, SpeedRecord, extent
from msaseg.tables.render import NOTICE

EXPLAINED = f"""Each table is one run of `python -m msaseg.benchmark`: all its nets in turns in one process, so the
ratio to the reference is the number to trust; milliseconds hold for the machine named. Numbers are medians, with the
range of 90 % of the calls or turns in brackets, or of all of them if there are fewer than {SAMPLES}.
`docs/benchmarks.md` has the procedure. A record that a later run replaced is missing from its table."""

HEADER = (
    "net",
    "times as fast as the reference",
    "latency, ms",
    "fps",
    "best images/s (batch)",
    "peak MB",
    "GMACs",
    "params, M (deployed)",
    "roofline, ms (limit)",
    "measured / roofline",
)


def conditions(record: SpeedRecord) -> str:
    """Return one line that says what all numbers of a run hold for."""
    hardware, size = record.hardware, "x".join(map(str, record.size))
    turns = "{repeats} turns of {calls} calls after {warmup} to warm up".format(**record.procedure)
    state = ", uncommitted changes" if record.code["dirty"] else ""
    return (
        f"{hardware['device']}, threads: {hardware['threads']}, torch {record.versions['torch']}; {size}, batch 1, "
        f"random pixels and weights (speed alone); {turns}; reference: {record.reference}; {_clocks(record)}{state}"
    )


def _clocks(record: SpeedRecord) -> str:
    """What the device told of itself, before the turns and, where it differs, after them."""
    before, after = (record.clocks or {}).values() or ({}, {})
    known = [(key, first, after[key]) for key, first in before.items() if first is not None]
    told = [f"{key} {first}{'' if last == first else f' to {last}'}" for key, first, last in known]
    return ", ".join(told) or "clocks unknown"


def table(records: Sequence[SpeedRecord]) -> str:
    """Return the records of one run as a Markdown table, in their order."""
    rows = [HEADER, *(_row(record) for record in records)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = "|".join("-" * (width + 2) for width in widths)
    head, *body = (f"| {line} |" for line in lines)
    return "\n".join([head, f"|{rule}|", *body])


def _row(record: SpeedRecord) -> tuple[str, ...]:
    latency, ratio, best, bound = record.latency_ms, record.ratio, record.throughput, record.roofline
    memory, deployed = record.peak_memory_mb, record.cost.get("params_deployed")
    return (
        f"{record.bare} ({record.form}, {record.mode}, {record.precision})",
        "n/a" if ratio is None else _median(ratio, 3),
        _median(latency, 4),
        f"{record.fps:.4g}",
        _best(best),
        "n/a" if memory is None else f"{memory:.4g}",
        f"{record.cost['macs'] / 1e9:.4g}",
        f"{record.cost['params'] / 1e6:.4g} ({'n/a' if deployed is None else f'{deployed / 1e6:.4g}'})",
        f"{bound['bound_ms']:.3g} ({bound['limited_by']})",
        f"{bound['times_bound']:.3g}",
    )


def _best(throughput: Mapping[str, Any]) -> str:
    """Say the highest throughput and its batch; nothing where one image was all that was asked for."""
    if len(throughput.get("by_batch", ())) == 1 and throughput.get("stopped") == "most":
        return "n/a"
    return f"{throughput['images_per_s']['median']:.4g} ({throughput['batch']})"


def _median(summary: Mapping[str, float], digits: int) -> str:
    low, high = extent(summary)
    return f"{summary['median']:.{digits}g} ({low:.{digits}g}-{high:.{digits}g})"


def page(records: Sequence[tuple[Path, SpeedRecord]]) -> str:
    """Return all measurements as one Markdown page, run by run, the latest first; "" if there are none."""
    if not records:
        return ""

    def run(entry: tuple[Path, SpeedRecord]) -> tuple[str, str]:
        path, record = entry
        return record.finished, f"{path.parent.name}, {'x'.join(map(str, record.size))}, {record.finished}"

    fastest_first = sorted(records, key=lambda entry: entry[1].latency_ms["median"])
    parts = [NOTICE, "# Measured speeds", EXPLAINED]
    for (_, title), entries in groupby(sorted(fastest_first, key=run, reverse=True), key=run):
        made = [record for _, record in entries]
        commit = (made[0].code["commit"] or "unknown")[:10]
        parts += [f"## {title}", f"{conditions(made[0])}; commit `{commit}`.", table(made)]
    return "\n\n".join(parts) + "\n"
