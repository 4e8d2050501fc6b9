"""Fixtures of a suite whose results lie in a temporary folder."""

import shutil
from pathlib import Path

import pytest
from tables_suite import TABLE, Suite

from msaseg import records
from msaseg.tables.plan import Plan
from msaseg.tables.protocols import protocol_names


@pytest.fixture(scope="session")
def composed(tmp_path_factory) -> Path:
    """A cache that knows every protocol: composing is tested once, not in each test."""
    plan = Plan(tmp_path_factory.mktemp("composed"))
    for name in protocol_names():
        plan.protocol(name)
    for name in ("paper", "laptop", "smoke"):
        plan.points(TABLE, name)
    plan.seeds(TABLE)
    return plan.cache.file


@pytest.fixture
def suite(tmp_path, monkeypatch, composed) -> Suite:
    outputs = tmp_path / "outputs"
    monkeypatch.setenv("MSASEG_OUTPUTS", str(outputs))
    monkeypatch.setattr(records, "PUBLISHED", tmp_path / "experiments")
    (outputs / "cache").mkdir(parents=True)
    shutil.copy(composed, outputs / "cache" / composed.name)
    return Suite(tmp_path, Plan(outputs))
