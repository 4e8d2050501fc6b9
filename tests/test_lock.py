"""`uv.lock`: what committed records ran with, from the public registry, by hash; `make lock` renews it."""

import tomllib
from dataclasses import replace

import pytest
from packaging.requirements import Requirement

from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.records.newest import newest_versions
from msaseg.records.places import PUBLISHED
from msaseg.records.run import RunRecord

LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUITE = next(package for package in LOCK["package"] if package["name"] == PROJECT["name"])


def test_lock_holds_the_versions_of_a_committed_record():
    records = [RunRecord.load(path).versions for path in (PUBLISHED / "records").glob("*/*/*/*.json")]
    locked = {package["name"]: package.get("version") for package in LOCK["package"]}
    ran_with = [{name: version for name, version in each.items() if name in locked} for each in records]
    assert any(len(each) >= 11 and each == {name: locked[name] for name in each} for each in ran_with), (
        "run `make lock`"
    )


def test_newest_versions_are_those_of_the_record_that_finished_last(tmp_path, record):
    for seed, (finished, version) in enumerate([("2026-01-02", "2.0"), ("2026-01-03", "3.0"), ("2026-01-01", "1.0")]):
        each = replace(
            record, seed=seed, finished=f"{finished}T00:00:00+00:00", versions={"torch": version, "python": "3"}
        )
        each.save(each.key.path(tmp_path))
    assert newest_versions(tmp_path) == {"torch": "3.0"}


def test_newest_versions_without_a_record_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no record: restore them"):
        newest_versions(tmp_path)


def test_lock_answers_what_pyproject_asks_for():
    asked = [(None, each) for each in PROJECT["dependencies"]]
    asked += [(extra, each) for extra, needs in PROJECT["optional-dependencies"].items() for each in needs]
    asked = {(extra, needed.name, needed.specifier) for extra, text in asked for needed in [Requirement(text)]}
    locked = set()
    for each in SUITE["metadata"]["requires-dist"]:
        text = f"{each['name']}{each.get('specifier', '')}"
        extra = each.get("marker", "").removeprefix("extra == ").strip("'") or None
        locked.add((extra, each["name"], Requirement(text).specifier))
    assert locked == asked, "run `make lock`"


def test_lock_names_the_public_registry_alone_and_a_hash_a_file():
    for package in LOCK["package"]:
        if package is SUITE:
            continue
        assert package["source"] == {"registry": "https://pypi.org/simple"}
        files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        assert files, package["name"]
        for file in files:
            assert file["url"].startswith("https://files.pythonhosted.org/")
            assert file["hash"].startswith("sha256:")
