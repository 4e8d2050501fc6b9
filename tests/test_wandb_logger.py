"""What a run leaves in W&B, read back from the offline file; and that W&B cannot end a run."""

import struct
import zlib

import numpy as np
import pytest
import wandb
from command_line import LIGHT, TINY, records

from msaseg.training.logger import Prediction, RunLogger
from msaseg.training.wandb_mode import PATIENCE, Mode

pytestmark = pytest.mark.filterwarnings("default")  # wandb's own threads and sockets


def offline_records(path):
    """Read W&B's transaction log: 32 KiB blocks of checksummed chunks (LevelDB's log format)."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # a block's tail too short for a header is padding
            at += 32768 - at % 32768
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, at)
        payload = data[at + 7 : at + 7 + length]
        assert zlib.crc32(payload, zlib.crc32(bytes([kind]))) == checksum
        at += 7 + length
        whole = payload if kind in (1, 2) else whole + payload
        if kind in (1, 4):
            found = wandb_internal_pb2.Record()
            found.ParseFromString(whole)
            yield found


def logged(folder):
    wandb.teardown()  # the end of a run is only announced to W&B's process: its file is whole once that process is gone
    (path,) = folder.rglob("*.wandb")
    run, config, history = None, {}, {}
    for found in offline_records(path):
        kind = found.WhichOneof("record_type")
        updates = []
        if kind == "run":
            run = found.run
            updates = run.config.update
        elif kind == "config":
            updates = found.config.update
        elif kind == "history":
            for item in found.history.item:
                history.setdefault(item.key or ".".join(item.nested_key), []).append(item.value_json)
        config.update({item.key or ".".join(item.nested_key): item.value_json for item in updates})
    return run, config, history


def test_run_offline_logs_group_name_config_scores_table_and_overlays(cli, tmp_path, monkeypatch, capfd):
    wandb.teardown()  # the session of another test would warn that its environment has changed
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert cli(*TINY, "logger=wandb", "+experiment=pooling_sweep", "model.net.num_poolings=1") == 0
    (record,) = records(tmp_path)
    run, config, history = logged(tmp_path)
    assert (run.run_group, run.display_name, run.project) == ("pooling_sweep", "pool1/seed0", "msaseg")
    assert set(run.tags) == {"pooling_sweep", "pool1", "smoke", "msanet"}
    assert '"num_poolings": 1' in config["model"].replace('":1', '": 1')
    assert float(history["test/miou_pct"][-1]) == pytest.approx(record.value("miou_pct"), abs=1e-3)
    assert len(history["train/loss"]) == 2
    assert {"val/loss", "val/miou_pct", "train/pixel_accuracy_pct", "epoch"} <= set(history)
    assert any("iou_per_class" in key for key in history)
    assert any("predictions" in key for key in history)
    assert list(tmp_path.rglob("media/images/mask/**/*.png"))
    assert record.wandb_url is None
    (log,) = tmp_path.rglob("train.log")
    (file,) = tmp_path.rglob("*.wandb")
    assert f"curves: wandb leet run {file.parent}\n" in log.read_text()
    assert "WARNING" not in capfd.readouterr().err


def test_run_finishes_when_wandb_cannot_start(cli, tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb, "init", lambda **_: (_ for _ in ()).throw(OSError("no space left")))
    assert cli(*LIGHT, "protocol.epochs=1", "logger=wandb") == 0
    assert len(records(tmp_path)) == 1
    logs = "".join(path.read_text() for path in tmp_path.rglob("train.log"))
    assert logs.count("W&B failed and is left out of this run (OSError: no space left)") == 1


def test_logger_failing_later_is_said_once_and_silent_after(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = RunLogger("p", "g", "n", ["t"], "i", tmp_path)
    monkeypatch.setattr(logger, "_log_test", lambda *_: (_ for _ in ()).throw(RuntimeError("gone")))
    sample = Prediction("a", np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.int64), np.zeros((8, 8), np.uint8))
    logger.log_test({}, ["Sky"], [sample])
    logger.log_metrics({"a": 1.0}, step=1)
    logger.log_hyperparams({"a": 1})
    logger.finish(failed=False)
    assert logger.url is None
    assert caplog.text.count("left out of this run") == 1


def test_run_that_wandb_does_not_start_online_is_logged_offline(tmp_path, monkeypatch, caplog):
    import wandb

    monkeypatch.setattr("msaseg.training.logger.choose_mode", lambda: Mode("online"))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    healthy, waited = wandb.init, {}

    def init(**arguments):
        waited[arguments["mode"]] = (arguments["settings"].init_timeout, arguments["settings"].finish_timeout_raises)
        if arguments["mode"] == "online":
            raise OSError("no route to host")
        return healthy(**arguments)

    monkeypatch.setattr(wandb, "init", init)
    logger = RunLogger("p", "g", "n", ["t"], "i", tmp_path)
    logger.log_metrics({"a": 1.0}, step=1)
    logger.log_metrics({"a": 2.0}, step=2)
    logger.finish(failed=False)
    assert caplog.text.count("W&B is left for later (OSError: no route to host)") == 1
    assert len(list(tmp_path.rglob("wandb/offline-run-*/*.wandb"))) == 1
    assert waited == {"online": (PATIENCE, True), "offline": (wandb.Settings().init_timeout, False)}
