"""The RO-Crate of the results: what lies there, the same at any time and after any record."""

import json
import shutil

import pytest
import yaml
from rocrate.rocrate import ROCrate

from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.publish.crate import FILE, crate, to_text
from msaseg.records.places import PUBLISHED
from msaseg.records.run import RunRecord

CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def records():
    paths = (PUBLISHED / "records").glob("*/*/*/*.json")
    return sorted(paths, key=lambda path: RunRecord.load(path).finished)


def put(record, results):
    target = results / record.relative_to(PUBLISHED)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(record, target)


@pytest.fixture
def results(tmp_path):
    """A folder with the oldest record and one table."""
    put(records()[0], tmp_path)
    (tmp_path / "tables").mkdir()
    for suffix in (".md", ".csv", ".txt"):
        shutil.copy(PUBLISHED / "tables" / "pooling_sweep.md", tmp_path / "tables" / f"pooling_sweep{suffix}")
    return tmp_path


def test_crate_when_committed_is_what_today_would_be_written():
    assert (PUBLISHED / FILE).read_text(encoding="utf-8") == to_text(crate(PUBLISHED, CITED)), "run `make crate`"


def test_crate_names_what_lies_there_the_licence_the_authors_and_the_paper(results):
    (results / FILE).write_text(to_text(crate(results, CITED)), encoding="utf-8")
    read = ROCrate(results)
    tables = ["tables/pooling_sweep.csv", "tables/pooling_sweep.md"]
    assert [part.id for part in read.data_entities] == ["records/", "tables/", *tables]
    assert all((results / part.id).exists() for part in read.data_entities)
    assert read.get(tables[1])["name"] == "Table 2: number of poolings in each stage of the backbone"
    assert read.license.id == "https://spdx.org/licenses/MIT"
    assert [author["name"] for author in read.root_dataset["author"]] == ["The msaseg authors"]
    paper = read.root_dataset["citation"]
    assert paper.id == "https://arxiv.org/abs/2007.12685"
    assert [author["name"] for author in paper["author"]] == ["Abhinav Sagar", "RajKumar Soundrapandiyan"]
    assert read.root_dataset["datePublished"] == RunRecord.load(records()[0]).finished[:10]


def test_crate_after_another_record_or_at_another_time_is_the_same(results, monkeypatch):
    before = to_text(crate(results, CITED))
    put(records()[-1], results)
    monkeypatch.setattr("rocrate.model.root_dataset.iso_now", lambda: "1999-01-01T00:00:00+00:00")
    assert to_text(crate(results, CITED)) == before
    assert json.loads(before)["@context"] == "https://w3id.org/ro/crate/1.1/context"


def test_crate_without_a_record_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no record to describe"):
        crate(tmp_path, CITED)
