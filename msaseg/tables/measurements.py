"""Measured speeds as tables: one line a net, the ratio first."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from msaseg.records.speed import SpeedRecord
from msaseg.tables.render import NOTICE

EXPLAINED = """Each table is one run of `python -m msaseg.benchmark`: all its nets in turns in one process, so the ratio
to the reference is the number to trust; milliseconds hold for the machine named. What is timed is said above each
table; `docs/benchmarks.md` has the procedure. A record that a later run replaced is missing from its table."""

HEADER = (
    "net",
    "times as fast as the reference (5-95 %)",
    "latency, ms (5-95 %)",
    "fps",
    "best images/s (batch)",
    "peak MB",
    "GMACs",
    "params, M",
    "roofline, ms (limit)",
    "measured / roofline",
)


def conditions(record: SpeedRecord) -> str:
    """Return one line that says what all numbers of a run hold for."""
    hardware, size = record.hardware, "x".join(map(str, record.size))
    included = [f"{name} {'included' if timed else 'not included'}" for name, timed in record.include.items()]
    turns = "{repeats} turns of {calls} calls after {warmup} to warm up".format(**record.procedure)
    state = ", uncommitted changes" if record.code["dirty"] else ""
    return (
        f"{hardware['device']}, threads: {hardware['threads']}, torch {record.versions['torch']}; {size}, batch 1, "
        f"random pixels and weights (speed alone); {', '.join(included)}; {turns}; reference: {record.reference}"
        f"{state}"
    )


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
    memory = record.peak_memory_mb
    return (
        f"{_bare(record.net)} ({record.form}, {record.mode}, {record.precision})",
        "n/a" if ratio is None else f"{ratio['median']:.3g} ({ratio['p5']:.3g}-{ratio['p95']:.3g})",
        f"{latency['median']:.4g} ({latency['p5']:.4g}-{latency['p95']:.4g})",
        f"{record.fps:.4g}",
        f"{best['images_per_s']['median']:.4g} ({best['batch']})",
        "n/a" if memory is None else f"{memory:.4g}",
        f"{record.cost['macs'] / 1e9:.4g}",
        f"{record.cost['params'] / 1e6:.4g}",
        f"{bound['bound_ms']:.3g} ({bound['limited_by']})",
        f"{bound['times_bound']:.3g}",
    )


def _bare(net: str) -> str:
    return " ".join(word for word in net.split(" ") if not word.startswith(("form=", "mode=", "precision=")))


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
