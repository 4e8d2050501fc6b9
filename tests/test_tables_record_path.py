"""A record belongs to the repository if a table asks for its run; any other lies on this machine alone."""

from pathlib import Path

import pytest
from tables_suite import record_of

from msaseg.config import compose_run
from msaseg.records import places
from msaseg.records.run import RunKey
from msaseg.tables import record_path as filing
from msaseg.tables.record_path import is_asked_for, path_of_record
from msaseg.tables.spec import load_tables

ROW = ("+experiment=pooling_sweep", "protocol=laptop", "model.net.num_poolings=2")


@pytest.fixture(autouse=True)
def few_tables(monkeypatch):
    """Composing all of them takes seconds."""
    chosen = {name: table for name, table in load_tables().items() if name in ("pooling_sweep", "branch_fusion_sweep")}
    monkeypatch.setattr(filing, "_tables", lambda: chosen)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (ROW, "experiments/records/pooling_sweep/laptop/pool2"),
        ((*ROW, "seed=7", "logger=none", "trainer.accelerator=cpu", "rerun=true"), "experiments/records/pooling_sweep"),
        ((*ROW, "protocol.epochs=3"), "outputs/records/pooling_sweep/laptop/pool2"),
        ((*ROW, "+trainer.limit_train_batches=1"), "outputs/records/pooling_sweep"),
        ((*ROW, "model/net/encoder=conv"), "outputs/records/pooling_sweep"),
        (("protocol=laptop",), "experiments/records/single/laptop/msanet"),  # Table 3's last row, by another name
        (("protocol=laptop", "model=enet"), "outputs/records/single/laptop/enet"),  # of a table that is left out here
        (("protocol=smoke",), "outputs/records/single/smoke/msanet"),
    ],
)
def test_record_when_a_row_asks_for_its_run_is_published_and_when_none_does_is_not(suite, words, where):
    path = path_of_record(compose_run(list(words)))
    assert path.is_relative_to(suite.folder / where)


def test_record_when_it_lies_in_the_repository_already_stays_there_though_no_row_asks(suite):
    config = compose_run([*ROW, "protocol.epochs=3"])
    elsewhere = path_of_record(config)
    assert elsewhere.is_relative_to(suite.outputs)
    key = RunKey.of(config)
    committed = key.path(suite.published / "records")
    committed.parent.mkdir(parents=True)
    committed.touch()
    assert path_of_record(config) == committed


def test_record_of_another_recipe_when_made_is_found_again_in_outputs(suite):
    config = compose_run([*ROW, "protocol.epochs=3"])
    path = path_of_record(config)
    point = suite.points("laptop", "pool2")[0]
    record_of(point, 40.0, config_hash=RunKey.of(config).config_hash).save(path)
    assert path_of_record(compose_run([*ROW, "protocol.epochs=3", "row=other"])) == path


def test_run_when_under_a_protocol_of_no_table_is_not_asked_for(suite):
    key = RunKey("pooling_sweep", "mine", "pool2", 0, "abcd1234")
    assert not is_asked_for(key, suite.outputs)


def test_run_when_its_table_is_not_made_under_its_protocol_is_not_asked_for(suite):
    config = compose_run(["+experiment=recipe_sweep", "protocol=paper", "row=no_decay"])
    assert not is_asked_for(RunKey.of(config), suite.outputs)


def test_computed_run_when_its_recipe_differs_leaves_the_repository_alone(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "PUBLISHED", tmp_path / "experiments")
    tables = load_tables()
    monkeypatch.setattr(filing, "_tables", lambda: {"layerwise": tables["layerwise"]})
    row = ["+experiment=layerwise", "protocol=smoke", "protocol.name=paper", "protocol.publish=true", "logger=none"]
    assert cli(*row) == 0
    assert not (tmp_path / "experiments").exists()
    (made,) = (tmp_path / "records").rglob("*.json")
    assert Path("layerwise/paper/layer1") == made.parent.relative_to(tmp_path / "records")
    assert cli("+experiment=layerwise", "protocol=laptop", "logger=none") == 0
    assert len(list((tmp_path / "experiments").rglob("*.json"))) == 1
