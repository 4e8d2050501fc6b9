import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from msaseg import config
from msaseg.cli.errors import UserError
from msaseg.config import compose_run, config_hash
from msaseg.records.run import RunKey
from msaseg.sweep.compose import files_read_once
from msaseg.tables import plan as plans
from msaseg.tables.composed import Composed, ComposedCache
from msaseg.tables.plan import Plan, recorded
from msaseg.tables.record_path import path_of_record
from msaseg.tables.spec import load_tables


def test_points_are_the_runs_that_their_overrides_compose(suite):
    point = suite.points("smoke", "pool3")[2]
    assert point.seed == 2
    run = compose_run(list(point.overrides))
    assert (run.table.id, run.row, run.seed, run.protocol.name) == ("pooling_sweep", "pool3", 2, "smoke")
    assert config_hash(run) == point.config_hash


def test_seeds_given_replace_those_of_the_sweep(suite):
    points = suite.plan.points(suite.table, "smoke", seeds=[7])
    assert [point.seed for point in points] == [7] * 6
    assert points[0].overrides[-1] == "seed=7"


def test_missing_runs_are_those_without_record(suite):
    first, second, third = suite.points("smoke", "pool0")
    suite.add(first, 10.0)
    suite.add(second, 10.0, config_hash="00000000")
    missing = suite.plan.missing(suite.table, "smoke", seeds=[0, 1, 2])
    assert len(missing) == 17
    assert first not in missing
    assert second in missing
    assert third in missing
    assert len(suite.plan.missing(suite.table, "smoke", seeds=[0])) == 5


@pytest.mark.parametrize(("protocol", "where"), [("paper", "experiments"), ("smoke", "outputs")])
def test_records_lie_where_the_run_itself_puts_them(suite, protocol, where):
    point = suite.points(protocol, "pool0")[0]
    path = path_of_record(compose_run(list(point.overrides)))
    assert path.is_relative_to(suite.folder / where / "records")
    assert suite.add(point, 10.0) == path


def test_sweep_that_reaches_other_rows_than_are_declared_is_refused(suite):
    rows = dict(suite.table.rows)
    one_more = replace(suite.table, rows={**rows, "pool6": rows["pool5"]})
    with pytest.raises(UserError, match=r"table\.rows\.pool6 is declared, but the sweep does not reach it"):
        suite.plan.points(one_more, "smoke")
    del rows["pool5"]
    with pytest.raises(UserError, match="reaches row 'pool5', which"):
        suite.plan.points(replace(suite.table, rows=rows), "smoke")


def test_second_plan_composes_nothing(suite, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("composed again")

    expected = suite.plan.points(suite.table, "smoke")
    monkeypatch.setattr(plans, "compose", refuse)
    assert Plan(suite.outputs).points(suite.table, "smoke") == expected


def test_sweeps_composed_at_once_are_those_composed_one_by_one(tmp_path, monkeypatch):
    tables = [load_tables()[name] for name in ("pooling_sweep", "leakage", "class_iou")]
    expected = [Plan(tmp_path / "one by one").points(table, "smoke") for table in tables]
    plan = Plan(tmp_path / "at once")
    plan.prepare((table, "smoke") for table in tables)
    monkeypatch.setattr(plans, "compose", None)
    assert [plan.points(table, "smoke") for table in tables] == expected


def test_sweep_that_does_not_compose_is_named_in_one_line_alone_and_among_others(tmp_path):
    table, plan = load_tables()["leakage"], Plan(tmp_path)
    for composes in (lambda: plan.points(table, "none"), lambda: plan.prepare([(table, "smoke"), (table, "none")])):
        with pytest.raises(UserError, match=r"^conf/experiment/leakage\.yaml with protocol=none: ") as info:
            composes()
        assert "\n" not in str(info.value)


def test_cache_forgets_when_a_file_changes_that_the_answer_was_composed_from(tmp_path):
    conf = tmp_path / "conf"
    conf.mkdir()

    def got(answer: int) -> int:
        names = ["train.yaml", "protocol/paper", "hydra/help/default"]
        return ComposedCache(tmp_path / "cache", conf).get("key", lambda: Composed(answer, names))

    (conf / "train.yaml").write_text("seed: 0")
    assert got(1) == 1
    (conf / "other.yaml").write_text("")
    assert got(2) == 1
    (conf / "train.yaml").write_text("seed: 1")
    assert got(3) == 3
    (conf / "protocol").mkdir()
    (conf / "protocol" / "paper.yaml").write_text("")
    assert got(4) == 4


def test_change_of_a_file_composes_only_what_it_is_part_of(tmp_path, monkeypatch):
    conf = tmp_path / "conf"
    shutil.copytree(config.CONF, conf)
    monkeypatch.setattr(config, "CONF", conf)
    monkeypatch.setattr(plans, "ComposedCache", lambda folder: ComposedCache(folder, conf))
    composed = []
    real = plans._sweep
    monkeypatch.setattr(plans, "_sweep", lambda *of: composed.append(" ".join(of)) or real(*of))
    tables = load_tables()

    def after_a_change_of(file: str) -> list[tuple[str, str]]:
        composed.clear()
        with (conf / file).open("a") as stream:
            stream.write("\n# changed")
        for protocol in ("smoke", "laptop"):
            for name in ("batch_sweep", "leakage"):
                Plan(tmp_path).points(tables[name], protocol)
        return composed

    everything = ["batch_sweep smoke", "leakage smoke", "batch_sweep laptop", "leakage laptop"]
    assert after_a_change_of("experiment/leakage.yaml") == everything
    assert after_a_change_of("experiment/leakage.yaml") == [one for one in everything if "leakage" in one]
    assert after_a_change_of("protocol/smoke.yaml") == [one for one in everything if "smoke" in one]
    assert after_a_change_of("model/fcn8_vgg16.yaml") == []
    assert after_a_change_of("hydra/launcher/gpus.yaml") == everything
    assert after_a_change_of("train.yaml") == everything


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"definition": 1}', b"\xff\xfe"])
def test_cache_file_that_is_corrupt_counts_as_empty(tmp_path, content):
    cache = ComposedCache(tmp_path)
    cache.get("key", lambda: Composed(1, []))
    cache.file.write_bytes(content)
    assert ComposedCache(tmp_path).get("key", lambda: Composed(2, [])) == 2
    assert ComposedCache(tmp_path).get("key", lambda: Composed(3, [])) == 2


def test_cache_whose_folder_cannot_be_made_still_answers(tmp_path):
    (tmp_path / "file").write_text("")
    assert ComposedCache(tmp_path / "file" / "cache").get("key", lambda: Composed(1, [])) == 1


def test_listing_and_rendering_load_no_torch(suite):
    code = (
        "import sys; from msaseg.tables.__main__ import main; "
        "one = ['--table', 'leakage']; codes = [main(['list', *one]), main(['render', *one, '--protocol', 'smoke'])]; "
        "print([name for name in ('torch', 'pytorch_lightning') if name in sys.modules], codes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] [0, 0]"


@pytest.mark.parametrize("table", sorted(load_tables()))
def test_hash_of_every_point_is_that_of_the_composed_run(table, tmp_path):
    for point in Plan(tmp_path).points(load_tables()[table], "laptop", [1]):
        config = compose_run(list(point.overrides))
        assert (point.row, point.seed, point.config_hash) == (config.row, config.seed, config_hash(config))


def test_runs_composed_from_files_read_once_are_those_that_hydra_composes_by_itself():
    runs = [
        ["protocol=paper", "model=fcn8_vgg16", "seed=3"],
        ["+experiment=recipe_sweep", "protocol=native", "protocol.average=null"],
        ["+experiment=backbone_replication_sweep", "model.net.variant=B", "protocol=laptop"],
        ["+experiment=speed_accuracy", "model=enet", "protocol=laptop"],
        ["+experiment=speed_accuracy", "model=icnet", "protocol=laptop", "hydra/launcher=slurm"],
    ]
    code = (
        "import json, sys; from omegaconf import OmegaConf; from msaseg.config import compose_run; "
        "print(json.dumps([OmegaConf.to_container(compose_run(words)) for words in json.loads(sys.argv[1])]))"
    )
    command = [sys.executable, "-c", code, json.dumps(runs)]
    alone = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for _ in range(2):  # what is remembered stays as it was read
        assert [OmegaConf.to_container(compose_run(words)) for words in runs] == alone


def test_file_that_does_not_merge_is_named(tmp_path):
    (tmp_path / "train.yaml").write_text("defaults: [_self_, {model: good}]")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/good.yaml").write_text("width: 1")
    (tmp_path / "model/bad.yaml").write_text("# @package _global_\nhydra: {job: {chdir: perhaps}}")
    with files_read_once(), initialize_config_dir(str(tmp_path), version_base="1.3"):
        for _ in range(2):
            assert compose("train").model.width == 1
            with pytest.raises(ConfigCompositionException, match="In 'model/bad': ValidationError"):
                compose("train", ["model=bad"])


def test_record_is_found_under_whichever_table_it_was_made_for(tmp_path, record):
    key = RunKey("other", "paper", "row", 3, "abcd1234")
    record.save(key.path(tmp_path))
    replace(record, table="u").save(replace(key, table="u").path(tmp_path))  # a copy: the first by path counts
    files = [*tmp_path.rglob("*.json")]
    found = recorded(files, "paper")
    assert found == {replace(key, table="t", row="pool0").file_name: key.path(tmp_path)}
    for other in ({"seed": 4}, {"config_hash": "ffffffff"}):
        assert replace(key, **other).file_name not in found
    assert not recorded(files, "laptop")
