"""Fixtures that several test files share."""

import logging
import shutil
import sys
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from predicting import save, scene
from tables_suite import TABLE, Suite
from trained import leave_checkpoint

from msaseg import train
from msaseg.predict import __main__ as predict_command
from msaseg.records import places
from msaseg.records.run import RunRecord
from msaseg.sweep.compose import files_read_once
from msaseg.tables import spec
from msaseg.tables.markers import markers
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import protocol_names
from msaseg.tables.spec import read_table


@pytest.fixture
def record() -> RunRecord:
    """A small record with every field filled."""
    return RunRecord(
        table="t",
        protocol="paper",
        row="pool0",
        seed=3,
        config_hash="abcd1234",
        metrics={"test": {"miou_pct": 50.0, "iou_pct": {"Sky": 60.0, "Building": 40.0}}},
        confusion={"test": [[9, 3], [3, 4]]},
        classes=["Sky", "Building"],
        cost={"params": 2_000_000, "macs": 500_000_000, "input_size": [224, 224]},
        history={"train/loss": [[0, 2.0], [10, 1.0]]},
        config={"model": {"name": "msanet"}},
        overrides=["protocol=paper"],
        data={"data_digest": "d", "split_digest": "s", "frames": {"train": 2}},
        weights="none",
        code={"commit": "0123456789abcdef", "dirty": False},
        versions={"torch": "2.15.0"},
        hardware={"device": "Some CPU", "kind": "cpu", "cores": 2, "threads": 2, "precision": "32-true"},
        seconds={"fit": 30.0, "test": 6.0, "total": 36.0},
        finished="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture(autouse=True, scope="session")
def one_thread_a_test_process():
    """Two test processes on two cores: more threads would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def configuration_files_read_once():
    """Hundreds of tests compose a configuration, or ask for the tables, of the same files."""
    read_once = cache(lambda file, _changed: read_table(file))
    with files_read_once(), patch.object(spec, "read_table", lambda file: read_once(file, file.stat().st_mtime_ns)):
        yield


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A folder for what several tests of a module begin with: the first of them makes it."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def own_log():
    """What a command logs to, no later test does."""
    handlers = logging.getLogger().handlers[:]
    yield
    for handler in set(logging.getLogger().handlers) - set(handlers):
        handler.close()
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def cli(monkeypatch, tmp_path, own_log):
    """Call the command line with arguments; every output goes below `tmp_path`."""
    monkeypatch.setenv("MSASEG_OUTPUTS", str(tmp_path))
    monkeypatch.delenv("MSASEG_DATA", raising=False)
    monkeypatch.delenv("MSASEG_WEIGHTS", raising=False)

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["msaseg.train", *arguments])
        GlobalHydra.instance().clear()
        try:
            train.main()
        except SystemExit as stopped:
            return stopped.code
        return 0

    return call


@pytest.fixture(scope="session")
def composed(tmp_path_factory) -> Path:
    """A cache that knows every protocol: composing is tested once, not in each test."""
    plan = Plan(tmp_path_factory.mktemp("composed"))
    for name in protocol_names():
        plan.protocol(name)
        plan.points(TABLE, name)
    return plan.cache.file


@pytest.fixture
def suite(tmp_path, monkeypatch, composed) -> Suite:
    outputs = tmp_path / "outputs"
    monkeypatch.setenv("MSASEG_OUTPUTS", str(outputs))
    monkeypatch.setattr(places, "PUBLISHED", tmp_path / "experiments")
    monkeypatch.setattr(places, "README", tmp_path / "README.md")
    marked = "\n\n".join("\n".join(markers(name)) for name in ("verdicts", "results"))
    (tmp_path / "README.md").write_text(f"# Head\n\n{marked}\n\nTail\n")
    for module in ("__main__", "results"):  # one table is enough, and composing the others takes seconds
        monkeypatch.setattr(f"msaseg.tables.{module}.load_tables", lambda: {TABLE.id: TABLE})
    (outputs / "cache").mkdir(parents=True)
    shutil.copy(composed, outputs / "cache" / composed.name)
    return Suite(tmp_path, Plan(outputs))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Of a net whose predictions differ from place to place."""
    path = tmp_path_factory.mktemp("left") / "weights.ckpt"
    scenes = np.stack([scene(64, 96, seed) for seed in range(4)])
    leave_checkpoint(path, "model=aggregation", seen=torch.from_numpy(scenes).permute(0, 3, 1, 2))
    return path


@pytest.fixture
def predict(checkpoint, tmp_path):
    """Call the command on a path; what it writes goes to `out`."""

    def call(source, *words):
        return predict_command.main([str(checkpoint), str(source), "--out", str(tmp_path / "out"), *words])

    return call


@pytest.fixture
def images(tmp_path):
    """A folder of five images of three sizes."""
    for number, size in enumerate([(48, 64), (48, 64), (37, 91), (70, 33), (48, 64)]):
        save(tmp_path / "in" / f"{number}.png", scene(*size, seed=number))
    return tmp_path / "in"
