"""`+debug=fast|overfit|profile`: runs that are looked at and leave no record."""

import re

import pytest
from command_line import PLAIN, TINY

from msaseg.config import compose_run, config_hash

WITHOUT = [*PLAIN, *(word for word in TINY if word.startswith("protocol=") or "source" in word)]


def said(folder):
    (log,) = folder.rglob("train.log")
    return log.read_text()


@pytest.mark.parametrize("name", ["fast", "profile"])
def test_debug_run_ends_without_record_logger_or_what_another_run_goes_on_from(cli, tmp_path, name):
    assert cli(*WITHOUT, "protocol.publish=true", "protocol.select=best", f"+debug={name}") == 0
    assert f"debug={name}: train mIoU" in said(tmp_path)
    assert "curves:" not in said(tmp_path)
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.ckpt"))
    (folder,) = {path.parent for path in tmp_path.rglob("train.log")}
    assert folder.relative_to(tmp_path).parts[:2] == ("debug", name)
    profiles = [path.name for path in folder.glob("*-profile.txt")]
    assert sorted(profiles) == (["fit-profile.txt"] if name == "profile" else [])


def test_overfit_sees_one_batch_alone_until_it_knows_it(cli, tmp_path, monkeypatch):
    from msaseg.training.module import SegmentationModule

    seen, step = set(), SegmentationModule.training_step
    monkeypatch.setattr(
        SegmentationModule, "training_step", lambda self, batch, i: seen.update(batch["name"]) or step(self, batch, i)
    )
    assert cli(*WITHOUT, "protocol.batch_size=2", "model.lr=0.01", "+debug=overfit", "protocol.epochs=30") == 0
    assert len(seen) == 2
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", said(tmp_path))]
    assert len(losses) == 30
    assert losses[-1] < 0.5 * losses[0]


def test_sweep_for_debugging_is_refused_in_one_line(cli, capsys):
    assert cli(*WITHOUT, "+debug=fast", "seed=0,1", "-m") == 2
    assert "+debug=fast: such a run leaves no record" in capsys.readouterr().err


def test_debug_run_has_another_hash():
    for name in ("fast", "overfit"):
        assert config_hash(compose_run([*WITHOUT, f"+debug={name}"])) != config_hash(compose_run(WITHOUT))
