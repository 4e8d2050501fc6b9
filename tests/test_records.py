import json

import pytest

from msaseg.errors import UserError
from msaseg.records import RunRecord, record_path


def test_record_saved_and_loaded_is_the_same(tmp_path, record):
    path = record_path(tmp_path, "t", "paper", "pool0", 3, "abcd1234")
    record.save(path)
    assert RunRecord.load(path) == record
    assert [p.name for p in path.parent.iterdir()] == ["seed3-abcd1234.json"]


def test_record_value_serves_scores_and_costs_in_their_units(record):
    assert record.value("miou_pct") == 50.0
    assert record.value("params_m") == 2.0
    assert record.value("macs_g") == 0.5
    assert record.value("size_mb") == 8.0
    assert record.value("fps") is None


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


def test_record_cut_off_while_written_leaves_the_old_one(tmp_path, record, monkeypatch):
    path = tmp_path / "seed0.json"
    record.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        record.save(path)
    assert path.read_bytes() == before
