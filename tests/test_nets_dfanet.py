"""DFANet A and B: the aggregation net three times, as the configuration builds it."""

import pytest
import torch
from contract_net import NetContract, parameter_count
from hydra.utils import instantiate

from msaseg.config import compose_run
from msaseg.nets.dfanet.aggregation import AggregationNet
from msaseg.records.cost import cost


class TestDFANetA(NetContract):
    def build(self, num_classes=12):
        return AggregationNet(num_classes, "A", 3)


class TestDFANetB(NetContract):
    def build(self, num_classes=12):
        return AggregationNet(num_classes, "B", 3)


@pytest.mark.parametrize(
    ("model", "params", "macs", "printed_mb", "printed_macs"),
    [("dfanet_a", 1.79e6, 2.61e9, 7.8, 3.4e9), ("dfanet_b", 1.07e6, 1.30e9, 4.8, 2.1e9)],
)
def test_dfanet_has_the_counted_backbones_and_its_published_cost(model, params, macs, printed_mb, printed_macs):
    """The backbones are counted at 1024x1024; "7.8 M" and "4.8 M" fit the whole net's float32 megabytes within 15 %.

    The decoder's widths are not published, so the whole net has no counted column to be held to. Its multiply-adds fit
    the printed 3.4 G and 2.1 G within 3 %, about what their two digits allow.
    """
    config = compose_run([f"model={model}", "protocol=official"]).model
    assert config.name == model
    with torch.device("meta"):
        net = instantiate(config.net, num_classes=19)
        counted = cost(net, (1024, 1024))
    assert counted["encoder"]["params"] == pytest.approx(params, rel=0.02)
    assert counted["encoder"]["macs"] == pytest.approx(macs, rel=0.02)
    assert parameter_count(net) * 4 / 1e6 == pytest.approx(printed_mb, rel=0.15)
    assert counted["macs"] == pytest.approx(printed_macs, rel=0.03)
