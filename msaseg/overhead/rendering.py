"""`tables render` with every run on record."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msaseg.classes import CLASSES
from msaseg.overhead.measurement import Measurement, rounded
from msaseg.records import places
from msaseg.records.run import RunRecord
from msaseg.tables.plan import Plan, Point
from msaseg.tables.protocols import protocol_names
from msaseg.tables.spec import load_tables

RENDER = """
import sys; from pathlib import Path; from msaseg import records; from msaseg.tables.__main__ import main
places.PUBLISHED, places.README = Path(sys.argv[1], "experiments"), Path(sys.argv[1], "README.md")
sys.exit(main(["render"]))
"""


def measure_tables(calls: int = 3) -> Measurement:
    """Measure `tables render`, as a whole process, with every run that the tables ask for on record."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        plan = Plan(outputs)
        names = [name for name in protocol_names() if plan.protocol(name).publish]
        points = [p for table in load_tables().values() for name in names for p in plan.points(table, name)]
        for point in points:
            generated(point).save(point.path(Path(folder) / "experiments" / "records"))
        shutil.copy(places.README, folder)
        plan.cache.file.unlink()
        seconds = [_seconds_of([sys.executable, "-c", RENDER, folder], outputs) for _ in range(calls + 1)]
    what = f"`tables render`, whole process, {len(points)} records"
    absolute = {"first call, configurations not composed yet (s)": seconds[0]}
    return Measurement(what, "s", [round(value, 3) for value in seconds[1:]], rounded(absolute), limit=2.0)


def _seconds_of(command: Sequence[str], outputs: Path) -> float:
    started = time.perf_counter()
    environment = {**os.environ, "MSASEG_OUTPUTS": str(outputs)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


def generated(point: Point) -> RunRecord:
    """Return a record of a run's usual size."""
    classes = list(CLASSES)
    scores = {"miou_pct": 50.0, "iou_pct": dict.fromkeys(classes, 50.0), "recall_pct": dict.fromkeys(classes, 60.0)}
    splits = ("train", "val", "test")
    series = {f"{split}/{key}": [[epoch, 0.123456] for epoch in range(40)] for split in splits for key in scores}
    return RunRecord(
        **{key: getattr(point, key) for key in ("table", "protocol", "row", "seed", "config_hash")},
        metrics=dict.fromkeys(splits, scores),
        confusion={split: [[123456] * len(classes)] * len(classes) for split in splits},
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
