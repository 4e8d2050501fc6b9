"""A published net is the recorded one in half precision, with a card made of its record."""

import json
import shutil

import pytest
import torch
from command_line import LIGHT, records
from safetensors import safe_open
from safetensors.torch import save_file

from msaseg.cli.errors import UserError
from msaseg.publish import __main__ as command
from msaseg.publish.__main__ import main
from msaseg.training.restore import restore


@pytest.fixture
def run(cli, kept, tmp_path):
    """A run of two epochs, made once; return its record's file in a copy of its outputs."""
    if not any(kept.iterdir()):
        assert cli(*LIGHT, "model.lr=0.02", f"paths.outputs={kept}") == 0
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    (record,) = (tmp_path / "records").rglob("*.json")
    return record


def test_published_net_is_the_recorded_one_in_half_precision_with_its_card(run, tmp_path, capsys):
    folder = tmp_path / "weights"
    assert main([str(run), "--folder", str(folder), "--name", "tiny"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.md", "tiny.safetensors"]
    (checkpoint,) = tmp_path.rglob("weights.ckpt")
    ours, theirs = restore(folder / "tiny.safetensors"), restore(checkpoint)
    assert ours.config == theirs.config
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    assert torch.allclose(ours.logits(images), theirs.logits(images), atol=0.05)
    assert (folder / "tiny.safetensors").stat().st_size < 0.6 * checkpoint.stat().st_size
    (record,) = records(tmp_path)
    card = (folder / "tiny.md").read_text()
    assert f"**{record.metrics['test']['miou_pct']:.2f}**" in card
    assert str(record.code["commit"]) in card
    assert f"| Road | {record.metrics['test']['iou_pct']['Road']:.1f} |" in card
    assert f"next: python -m msaseg.predict {folder / 'tiny.safetensors'} " in capsys.readouterr().out
    assert main([str(run), "--folder", str(folder), "--name", "x/y"]) == 2
    assert "--name x/y: not the name of a file" in capsys.readouterr().err


def test_net_that_scores_otherwise_in_half_precision_is_not_written(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "LARGEST_DIFFERENCE", -1.0)
    assert main([str(run), "--folder", str(tmp_path / "weights")]) == 1
    assert "not written: the file's mIoU here differs by" in capsys.readouterr().err
    assert not [*(tmp_path / "weights").iterdir()]


def test_record_without_weights_on_this_machine_is_said_with_the_mend(run, tmp_path, capsys):
    (checkpoint,) = tmp_path.rglob("weights.ckpt")
    checkpoint.unlink()
    assert main([str(run)]) == 2
    assert "rerun=true" in capsys.readouterr().err


def test_damaged_weights_file_is_refused_in_one_line(run, tmp_path):
    assert main([str(run), "--folder", str(tmp_path / "weights")]) == 0
    file = tmp_path / "weights" / "street.safetensors"
    with safe_open(file, "pt") as content:
        metadata, names = content.metadata(), list(content.keys())
        state = {name: content.get_tensor(name) for name in names}
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"street\.safetensors: cut off, changed"):
        restore(file)
    lost = {name: torch.full_like(each, torch.nan) for name, each in state.items() if each.is_floating_point()}
    for named, said in (
        ({"other": json.dumps({})}, "cut off, changed"),
        (metadata, ".* holds values that are not finite"),
    ):
        save_file(state | lost, file, named)
        with pytest.raises(UserError, match=rf"street\.safetensors: {said}"):
            restore(file)
