"""Nets from Python: exported, and with an encoder by its name."""

import socket

import pytest
import torch
from hydra.utils import get_class

from msaseg import nets
from msaseg.config import CONF, compose_run
from msaseg.nets.encoders.untrained import OWN, untrained
from msaseg.training.restore import own_classes


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("name", [*OWN, "tf_efficientnet_lite0"])
def test_encoder_by_name_is_that_of_the_configuration_without_weights(name):
    encoder = untrained(name)
    assert encoder.weights_source == "none"
    if (CONF / f"model/net/encoder/{name}.yaml").is_file():
        part = compose_run([f"model/net/encoder={name}", "protocol=smoke"]).model.net.encoder
        assert type(encoder) is get_class(part._target_)
        assert encoder.channels == tuple(part.get("channels", encoder.channels))


def test_encoder_of_every_configuration_file_has_a_name():
    files = {path.stem for path in (CONF / "model/net/encoder").glob("*.yaml")}
    assert files - {"auto", "tf_efficientnet_lite0"} <= set(OWN)


def test_net_with_an_encoder_by_name_is_the_one_with_that_encoder():
    torch.manual_seed(0)
    by_name = nets.MSANet(num_classes=11, encoder="tf_efficientnet_lite0").eval()
    torch.manual_seed(0)
    given = nets.MSANet(num_classes=11, encoder=untrained("tf_efficientnet_lite0")).eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(by_name(images), given(images))
    assert by_name.weights_source == "none"
    assert by_name.pretrained_parameters() == []


def test_encoder_by_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'efficientnet_lite' is not a timm model"):
        nets.MSANet(num_classes=11, encoder="efficientnet_lite")


def test_every_net_is_exported():
    kinds = own_classes("msaseg.nets").items()
    assert {name for name, kind in kinds if issubclass(kind, nets.SegmentationNet)} == set(nets.__all__)
