"""Fixtures that several test files share."""

import pytest

from msaseg.records import RunRecord


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
        confusion={"test": [[3, 1], [1, 2]]},
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
