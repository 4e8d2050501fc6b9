"""The commands that read every record: seconds and memory on generated records."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from msaseg.benchmark.overhead.measurement import Measurement, rounded
from msaseg.classes import CLASSES
from msaseg.records import places
from msaseg.records.run import RunRecord
from msaseg.records.scores import miou_pct
from msaseg.tables.plan import Plan, Point
from msaseg.tables.protocols import protocol_names
from msaseg.tables.spec import load_tables

PROCESS = """
import re, sys; from importlib import import_module; from pathlib import Path; from msaseg.records import places
folder, command, *words = sys.argv[1:]
places.PUBLISHED, places.README = Path(folder, "experiments"), Path(folder, "README.md")
status = import_module(f"msaseg.{command}.__main__").main(words)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])  # `ru_maxrss` begins with its parent's
sys.exit(status)
"""


RECORDS = 1000
"""Of all commands but `tables render`, with as many seeds as that takes."""
CALLS = 3
"""Of each command; one more comes first, which composes the configurations."""
FIRST = "first call, configurations not composed yet (s)"


def measure_commands() -> Iterator[Measurement]:
    """Measure `tables render` with every run that the tables ask for on record, and the others from `RECORDS`."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder) / "outputs")
        points = list(_points(plan, None))
        (first, *seconds), _ = _calls(plan, points, ("tables", "render"))
        what = f"`tables render`, whole process, {len(points)} records"
        yield Measurement(what, "s", seconds, rounded({FIRST: first}), limit=2.0)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder) / "outputs")
        seeded = (point for seed in count() for point in _points(plan, [seed]))
        unique: dict[tuple[str, int, str], Point] = {}
        while len(unique) < RECORDS:
            point = next(seeded)
            unique.setdefault((point.protocol, point.seed, point.config_hash), point)
        chosen = list(unique.values())
        (_, *seconds), (_, *mebibytes) = _calls(plan, chosen, ("report",))
        what = f"`make report` from {RECORDS} records"
        yield Measurement(f"{what}, seconds", "s", seconds, {}, limit=10.0)
        yield Measurement(f"{what}, peak memory", "MiB", mebibytes, {}, limit=500.0)
        for words in (("tables", "list"), ("figures",)):
            (first, *seconds), _ = _calls(plan, chosen, words)
            what = f"`{' '.join(words)}`, whole process, {RECORDS} records"
            yield Measurement(what, "s", seconds, rounded({FIRST: first}))


def _points(plan: Plan, seeds: list[int] | None) -> Iterator[Point]:
    """Yield the runs of every table under every published protocol."""
    names = [name for name in protocol_names() if plan.protocol(name).publish]
    yield from (p for table in load_tables().values() for name in names for p in plan.points(table, name, seeds))


def _calls(plan: Plan, points: list[Point], words: tuple[str, ...]) -> tuple[list[float], list[float]]:
    """Return the seconds and the peak MiB of a command's calls, the first before anything is composed."""
    folder = plan.outputs.parent
    for point in points:
        generated(point).save(point.path(folder / "experiments" / "records"))
    shutil.copy(places.README, folder)
    plan.cache.file.unlink()
    seconds, mebibytes = zip(*[process_cost(folder, words) for _ in range(CALLS + 1)], strict=True)
    return list(seconds), list(mebibytes)


def process_cost(folder: Path, words: tuple[str, ...]) -> tuple[float, float]:
    """Return the seconds and the peak MiB of `python -m msaseg.WORDS` on a folder's results."""
    environment = {**os.environ, "MSASEG_OUTPUTS": str(folder / "outputs")}
    started = time.perf_counter()
    command = [sys.executable, "-c", PROCESS, str(folder), *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return round(time.perf_counter() - started, 3), round(int(done.stdout.split()[-1]) / 1024, 1)


def generated(point: Point) -> RunRecord:
    """Return a record of a run's usual size."""
    classes = list(CLASSES)
    matrix = [[123456] * len(classes)] * len(classes)
    scores = {
        "miou_pct": miou_pct(matrix),
        "iou_pct": dict.fromkeys(classes, 50.0),
        "recall_pct": dict.fromkeys(classes, 60.0),
    }
    splits = ("train", "val", "test")
    series = {f"{split}/{key}": [[epoch, 0.123456] for epoch in range(40)] for split in splits for key in scores}
    return RunRecord(
        **{key: getattr(point, key) for key in ("table", "protocol", "row", "seed", "config_hash")},
        metrics=dict.fromkeys(splits, scores),
        confusion=dict.fromkeys(splits, matrix),
        classes=classes,
        cost={"params": 2_000_000, "macs": 3_000_000_000, "input_size": [224, 224]},
        history={**series, "train/step_loss": [[step, 0.123456] for step in range(200)]},
        config={},
        overrides=list(point.overrides),
        data={},
        weights="none",
        code={"commit": "0" * 40, "dirty": False},
        versions={},
        hardware={"device": "none", "kind": "cpu", "cores": 2, "threads": 2, "precision": "32-true"},
        seconds={"setup": 1.0, "fit": 30.0, "test": 6.0, "total": 37.0},
        finished="2026-01-01T00:00:00+00:00",
    )
