"""Table 1 is computed, not trained: its rows come from the module of the run's own configuration."""

import pytest
from command_line import TINY, records
from torch import nn

from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.msanet.net import MSANet
from msaseg.tables.spec import load_tables
from msaseg.training.compute import context_layer


def net(**arguments) -> MSANet:
    return MSANet(3, ConvEncoder([4, 4, 4, 4]), width=8, num_poolings=1, **arguments)


def test_layer_reads_as_the_paper_prints_it():
    table = load_tables()["layerwise"]
    for layer, row in enumerate(table.rows, start=1):
        printed = {key.removeprefix("computed/"): value for key, value in table.rows[row].paper.items()}
        assert context_layer(net(), layer) == printed


def test_layer_of_another_module_reads_otherwise():
    changed = net()
    changed.context.convolutions[2].dilation = (2, 2)
    assert context_layer(changed, 3)["dilation"] == "(2, 2)"
    assert context_layer(changed, 6)["receptive_field"] == "65×123"


@pytest.mark.parametrize("layer", [0, 7])
def test_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(ValueError, match=rf"compute\.layer={layer}: this net's context module has 6 layers"):
        context_layer(net(), layer)


@pytest.mark.parametrize("other", [net(fusion="none"), nn.Conv2d(3, 3, 1)])
def test_net_without_the_module_has_no_layer(other):
    with pytest.raises(ValueError, match="has 0 layers"):
        context_layer(other, 1)


def test_command_writes_a_record_without_training(cli, tmp_path):
    assert cli(*TINY, "+experiment=layerwise", "compute.layer=4") == 0
    [record] = records(tmp_path)
    assert (record.table, record.row, record.value("computed/dilation")) == ("layerwise", "layer4", "(4, 8)")
    assert not record.history
    assert not list(tmp_path.rglob("*.ckpt"))


def test_layer_out_of_the_table_is_one_line(cli, tmp_path, capsys):
    assert cli(*TINY, "+experiment=layerwise", "compute.layer=7") == 2
    assert "row=layer7 is not a row of table layerwise" in capsys.readouterr().err
