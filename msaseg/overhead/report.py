"""The report from a thousand records: its seconds and its memory."""

import json
import os
import subprocess
import sys
import tempfile
from itertools import count, islice
from pathlib import Path

from msaseg.overhead.measurement import Measurement
from msaseg.overhead.rendering import generated
from msaseg.tables.plan import Plan, Point
from msaseg.tables.protocols import protocol_names
from msaseg.tables.spec import load_tables

REPORT = """
import json, re, sys, time; from pathlib import Path
started = time.perf_counter()
from msaseg import records; from msaseg.report.__main__ import main
places.PUBLISHED = Path(sys.argv[1], "experiments")
status = main([])
status_file = Path("/proc/self/status").read_text()  # `ru_maxrss` begins with its parent's
peak = int(re.search(r"VmHWM:\\s+(\\d+)", status_file)[1]) / 1024
print(json.dumps([time.perf_counter() - started, peak, status]))
"""


def measure_report(records: int = 1000, calls: int = 3) -> list[Measurement]:
    """Measure the seconds and the peak memory of `python -m msaseg.report`, imports included.

    Args:
        records: how many to generate, with as many seeds as that takes.
        calls: of the command; one more comes first, which composes the configurations.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        for point in _points(Plan(outputs), records):
            generated(point).save(point.path(Path(folder) / "experiments" / "records"))
        seconds, megabytes = zip(*[_cost(folder, outputs) for _ in range(calls + 1)][1:], strict=True)
    what = f"`make report` from {records} records"
    return [
        Measurement(f"{what}, seconds", "s", [round(value, 3) for value in seconds], {}, limit=10.0),
        Measurement(f"{what}, peak memory", "MiB", [round(value, 1) for value in megabytes], {}, limit=500.0),
    ]


def _points(plan: Plan, number: int) -> list[Point]:
    """Return so many different runs: of every table and published protocol, seed by seed."""
    names = [name for name in protocol_names() if plan.protocol(name).publish]
    tables = load_tables().values()
    every = (
        point for seed in count() for table in tables for name in names for point in plan.points(table, name, [seed])
    )
    seen: set[tuple[str, int, str]] = set()
    new = (point for point in every if _new((point.protocol, point.seed, point.config_hash), seen))
    return list(islice(new, number))


def _new(key: tuple[str, int, str], seen: set[tuple[str, int, str]]) -> bool:
    fresh = key not in seen
    seen.add(key)
    return fresh


def _cost(folder: str, outputs: Path) -> tuple[float, float]:
    environment = {**os.environ, "MSASEG_OUTPUTS": str(outputs)}
    command = [sys.executable, "-c", REPORT, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    seconds, peak, status = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr
    return seconds, peak
