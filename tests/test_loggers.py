"""The loggers that a run can have: one, several, none; they are no part of what it computes."""

import builtins
import logging

import pytest
from command_line import LIGHT, records

WITHOUT = [word for word in LIGHT if not word.startswith("logger")]


def test_run_with_two_loggers_fills_both_and_says_where(cli, tmp_path):
    pytest.importorskip("tensorboard")
    assert cli(*WITHOUT, "logger=[csv,tensorboard]") == 0
    (metrics,) = tmp_path.rglob("metrics.csv")
    assert "test/miou_pct" in metrics.read_text().splitlines()[0]
    events = list(tmp_path.rglob("events.out.tfevents.*"))
    assert any(b"train/loss" in path.read_bytes() for path in events)
    (log,) = tmp_path.rglob("train.log")
    assert f"curves: {metrics}" in log.read_text()
    assert f"curves: tensorboard --logdir {events[0].parent}\n" in log.read_text()
    assert not logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.INFO)  # tells of its fonts


def test_run_without_a_logger_leaves_its_record(cli, tmp_path):
    assert cli(*WITHOUT, "logger=none") == 0
    assert len(records(tmp_path)) == 1
    assert not list(tmp_path.rglob("metrics.csv"))


def test_logger_that_is_not_installed_is_named_with_the_mend(cli, tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def missing(name, *arguments):
        if name.split(".")[0] in ("tensorboard", "tensorboardX") or name == "torch.utils.tensorboard":
            raise ModuleNotFoundError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.setattr("pytorch_lightning.loggers.tensorboard._TENSORBOARD_AVAILABLE", False, raising=False)
    monkeypatch.setattr("lightning_fabric.loggers.tensorboard._TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr("lightning_fabric.loggers.tensorboard._TENSORBOARDX_AVAILABLE", False)
    assert cli(*WITHOUT, "logger=tensorboard") == 2
    assert capsys.readouterr().err == "error: logger=tensorboard: it is not installed: pip install tensorboard\n"
    assert not list(tmp_path.rglob("*.ckpt"))
