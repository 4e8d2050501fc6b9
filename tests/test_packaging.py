"""What the package says of itself: the versions that it accepts of others."""

import tomllib

import pytest
from packaging.requirements import Requirement

from msaseg.config import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize(
    ("package", "refused", "taken"),
    [
        ("pytorch-lightning", ["2.6.1", "2.6.2", "2.6.3", "2.6.5", "3.0.0"], "2.6.6"),
        ("hydra-core", ["1.3.2", "1.3.6", "1.4.0"], "1.3.7"),
    ],
)
def test_release_when_malicious_or_with_an_advisory_is_refused(package, refused, taken):
    (needed,) = (each for each in map(Requirement, PROJECT["dependencies"]) if each.name == package)
    assert needed.specifier.contains(taken)
    assert [version for version in refused if needed.specifier.contains(version)] == []
