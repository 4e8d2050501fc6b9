"""`uv.lock`: what the newest committed record ran with, from the public registry, by hash; `make lock` renews it."""

import tomllib

import pytest
from packaging.requirements import Requirement

from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.records.newest import newest_versions
from msaseg.records.places import PUBLISHED

LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUITE = next(package for package in LOCK["package"] if package["name"] == PROJECT["name"])


def test_lock_holds_the_versions_of_the_newest_record():
    newest = newest_versions(PUBLISHED / "records")
    assert len(newest) >= 11
    locked = [(package["name"], package.get("version")) for package in LOCK["package"]]
    assert [each for each in locked if each[0] in newest] == sorted(newest.items()), "run `make lock`"


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
