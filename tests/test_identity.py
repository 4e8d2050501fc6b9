"""A run keeps its name when its code moves, and when an option is added."""

import re

import pytest
from omegaconf import OmegaConf

from msaseg.config import CONF, ROOT, compose_run, config_hash, hashed_part, identity_hash, net_hash, plain
from msaseg.nets import enet, icnet
from msaseg.nets.msanet.net import MSANet
from msaseg.records.run import RunRecord
from msaseg.records.speed import SpeedRecord
from msaseg.training.restore import construct, own_classes

MOVED = "msaseg.nets.elsewhere.MSANet"


@pytest.fixture
def config():
    return compose_run(["protocol=smoke"])


def test_class_when_moved_to_another_module_keeps_the_hashes(config):
    moved = config.copy()
    moved.model.net._target_ = MOVED
    assert config_hash(moved) == config_hash(config)
    assert net_hash(plain(moved.model.net)) == net_hash(plain(config.model.net))


def test_class_when_another_has_another_hash(config):
    other = config.copy()
    other.model.net._target_ = "msaseg.nets.msanet.net.MSANet2"
    assert config_hash(other) != config_hash(config)


def test_key_when_null_does_not_count_and_when_set_does(config):
    longer = config.copy()
    OmegaConf.update(longer, "model.net.option", None, force_add=True)
    assert config_hash(longer) == config_hash(config)
    longer.model.net.option = 0
    assert config_hash(longer) != config_hash(config)


def test_null_in_a_list_counts():
    assert identity_hash({"sizes": [1, None]}) != identity_hash({"sizes": [1]})


def test_checkpoint_of_a_moved_class_is_built_from_where_the_class_is_now(config):
    part = plain(config.model.net) | {"_target_": MOVED}
    assert isinstance(construct(part, "msaseg.nets"), MSANet)


def targets():
    texts = (file.read_text(encoding="utf-8") for file in CONF.rglob("*.yaml"))
    return {target for text in texts for target in re.findall(r"_target_: *([\w.]+)", text)}


def test_class_names_that_the_configuration_reaches_are_unique():
    names = [target.rpartition(".")[2] for target in targets()]
    assert len(names) == len(set(names)) > 30


def test_nets_that_the_configuration_reaches_are_found_by_their_names_alone():
    for target in (target for target in targets() if target.startswith("msaseg.nets.")):
        module, _, name = target.rpartition(".")
        assert own_classes("msaseg.nets")[name].__module__ == module


def test_class_when_its_name_is_used_twice_is_not_built():
    assert hasattr(enet, "Bottleneck")
    assert hasattr(icnet, "Bottleneck")
    with pytest.raises(ValueError, match="Bottleneck is not a class"):
        construct({"_target_": "msaseg.nets.enet.Bottleneck"}, "msaseg.nets")


def test_committed_records_bear_the_hash_of_their_configuration():
    for path in (ROOT / "experiments" / "records").glob("*/*/*/*.json"):
        record = RunRecord.load(path)
        assert record.config_hash == identity_hash(record.config), path
        assert record.key.path(ROOT / "experiments" / "records") == path
    for path in (ROOT / "experiments" / "speeds").glob("*/*.json"):
        speed = SpeedRecord.load(path)
        assert speed.config_hash == identity_hash(speed.config), path
        assert speed.file_name == path.name


def test_hash_of_what_a_record_keeps_is_that_of_the_run(config):
    assert identity_hash(hashed_part(config)) == config_hash(config)
