import json
import os
import re
from dataclasses import replace

import pytest
import torch

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.config import compose_run
from msaseg.records.run import RunKey, RunRecord, key_of_record
from msaseg.records.scores import miou_pct
from msaseg.training.checkpoints import save_weights
from msaseg.training.metrics import scores


def test_record_saved_and_loaded_is_the_same(tmp_path, record):
    path = replace(record, table="t", row="pool0").key.path(tmp_path)
    record.save(path)
    assert RunRecord.load(path) == record
    assert [p.name for p in path.parent.iterdir()] == ["seed3-abcd1234.json"]


def test_weights_of_a_run_are_the_latest_that_any_table_asked_for(tmp_path, record):
    key = record.key
    folders = [tmp_path / "runs" / table / key.protocol / "row" / f"seed{key.seed}-{key.config_hash}" for table in "ab"]
    for second, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / "weights.ckpt").touch()
        os.utime(folder / "weights.ckpt", (second, second))
    assert key.weights(tmp_path) == folders[1] / "weights.ckpt"
    assert replace(key, seed=key.seed + 1).weights(tmp_path) is None


def test_record_value_serves_scores_and_costs_in_their_units(record):
    assert record.value("miou_pct") == 50.0
    assert record.value("params_m") == 2.0
    assert record.value("macs_g") == 0.5
    assert record.value("size_mb") == 8.0
    assert record.value("fps") is None
    assert record.value("encoder_macs_g") is None


def test_record_value_reaches_classes_other_parts_texts_and_the_encoder(record):
    parts = {
        "test": {"iou_pct": {"Car": 12.5, "Sky": None}},
        "within_1s": {"miou_pct": 60.0},
        "computed": {"size": "3×3"},
    }
    cost = {"params": 3, "macs": 4, "encoder": {"params": 5_000_000, "macs": 7_000_000_000}}
    record = replace(record, metrics=parts, cost=cost)
    assert record.value("iou_pct.Car") == 12.5
    assert record.value("iou_pct.Sky") is None
    assert record.value("iou_pct.Sky.x") is None
    assert record.value("within_1s/miou_pct") == 60.0
    assert record.value("beyond_5s/miou_pct") is None
    assert record.value("computed/size") == "3×3"
    assert record.value("encoder_params_m") == 5.0
    assert record.value("encoder_size_mb") == 20.0
    assert record.value("encoder_macs_g") == 7.0


@pytest.mark.parametrize("name", ["..", "a/b", "/etc", "", "a\\b"])
@pytest.mark.parametrize("key", ["table", "protocol", "row"])
def test_key_when_a_name_is_no_folder_of_its_own_is_refused(record, key, name):
    with pytest.raises(UserError, match=f"{key}={re.escape(name)}: "):
        replace(record.key, **{key: name})


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"schema": 1', '"schema": 99'),
        lambda text: json.dumps({**json.loads(text), "surplus": 1}),
        lambda text: "[1, 2]",
    ],
)
def test_record_damaged_is_named_with_its_mend(tmp_path, record, damage):
    path = tmp_path / "seed0.json"
    record.save(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match="git checkout") as raised:
        RunRecord.load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metrics": {"test": {"miou_pct": 50.2}}}, "miou_pct of test is 50.2, but its matrix gives 50.0"),
        ({"metrics": {"test": {"miou_pct": None}}}, "miou_pct of test is None"),
        ({"metrics": {"test": {"miou_pct": float("nan")}}}, "miou_pct of test is nan"),
        ({"confusion": {"test": [[0, 0], [0, 0]]}}, "its matrix gives None"),
        ({"confusion": {"test": [[9, 3], [3, 5]]}}, "its matrix gives 52.7273"),
        ({"confusion": {"val": [[9, 3], [3, 4]]}}, "matrix of val"),
        ({"confusion": {"test": [[9, 3], [3]]}}, "matrix of test"),
        ({"confusion": {"test": 3}}, "matrix of test"),
        ({"table": 5}, "json: table is 5;"),
        ({"row": None}, "json: row is None;"),
        ({"seed": "0"}, "json: seed is '0';"),
        ({"seed": True}, "json: seed is True;"),
        ({"protocol": []}, "json: protocol is [];"),
        ({"config_hash": 1}, "json: config_hash is 1;"),
    ],
)
def test_record_whose_score_is_not_its_matrixs_or_whose_key_has_another_type_is_named_with_its_mend(
    tmp_path, record, changes, reason
):
    path = tmp_path / "seed0.json"
    replace(record, **changes).save(path)
    with pytest.raises(UserError, match="git checkout") as raised:
        RunRecord.load(path)
    assert str(path) in str(raised.value)
    assert reason in str(raised.value)


def test_record_computed_or_of_an_empty_part_has_nothing_to_hold(tmp_path, record):
    path = tmp_path / "seed0.json"
    for changes in (
        {"metrics": {"computed": {"size": "3"}}, "confusion": {}},
        {"metrics": {"test": {"miou_pct": None}}, "confusion": {"test": [[0, 0], [0, 0]]}},
    ):
        replace(record, **changes).save(path)
        assert RunRecord.load(path).metrics == changes["metrics"]


def test_miou_of_a_matrix_in_plain_python_is_that_of_the_scores():
    torch.manual_seed(0)
    matrix = torch.randint(0, 10**6, (12, 12))
    matrix[3], matrix[:, 3] = 0, 0
    assert miou_pct(matrix.tolist()) == pytest.approx(scores(matrix, CLASSES)["miou_pct"], abs=1e-4)


@pytest.mark.parametrize("save", [RunRecord.save, lambda _, path: save_weights(torch.nn.Linear(1, 1), {}, path)])
def test_record_and_weights_cut_off_while_written_leave_the_old_ones(tmp_path, record, monkeypatch, save):
    path = tmp_path / "seed0.json"
    save(record, path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save(record, path)
    assert [(p, p.read_bytes()) for p in path.parent.iterdir()] == [(path, before)]


def test_run_made_again_over_a_damaged_record_of_another_table_is_filed_in_its_place(tmp_path):
    config = compose_run(["protocol=smoke"])
    path = replace(RunKey.of(config), table="first", row="asked").path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert key_of_record(config, path).path(tmp_path) == path
