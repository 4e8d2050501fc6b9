import textwrap

import pytest

from msaseg.cli.errors import UserError
from msaseg.tables.plan import Plan
from msaseg.tables.results import Results
from msaseg.tables.spec import load_tables, made_under, read_table

GOOD = """
    table:
      id: sweep
      title: A table
      source: paper, Table 9, page 1
      columns: {miou_pct: mIoU, params_m: Params}
      tolerance: {miou_pct: 1.0}
      rows:
        one: {label: One, paper: {miou_pct: 70.4}}
        two: {label: Two, paper: {miou_pct: null}}
"""


def declared(folder, text):
    file = folder / "conf" / "experiment" / "sweep.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(textwrap.dedent(text))
    return file


def test_declared_table_has_its_rows_in_order_and_the_papers_numbers(tmp_path):
    table = read_table(declared(tmp_path, GOOD))
    assert list(table.rows) == ["one", "two"]
    assert table.printed("one", "miou_pct") == 70.4
    assert table.printed("one", "params_m") is None
    assert table.printed("two", "miou_pct") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: sweep", "id: other", "table.id is 'other', must be the file's stem 'sweep'"),
        ("source: paper, Table 9, page 1", "source:", "table.source is missing"),
        ("paper: {miou_pct: 70.4}", "paper: {miuo: 70.4}", "table.rows.one.paper.miuo is unknown"),
        ("paper: {miou_pct: 70.4}", "paper: {miou_pct: high}", "table.rows.one.paper.miou_pct is 'high'"),
        ("tolerance: {miou_pct: 1.0}", "tolerance: {fps: 1.0}", "table.tolerance.fps is unknown"),
        ("columns: {miou_pct: mIoU, params_m: Params}", "columns: {}", "table.columns is missing or empty"),
        ("title: A table", "titel: A table", "table.titel is unknown"),
        ("one: {label: One, paper: {miou_pct: 70.4}}", "one: 70.4", "table.rows.one must be a mapping"),
        ("table:", "tabel:", "declares no `table`"),
        ("title: A table", "title: [", "not readable as YAML"),
    ],
)
def test_wrong_declaration_is_refused_with_file_and_key(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(UserError) as refusal:
        read_table(declared(tmp_path, GOOD.replace(old, new)))
    assert str(refusal.value).startswith("conf/experiment/sweep.yaml: ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", list(load_tables()))
def test_rows_of_every_experiment_are_those_that_its_sweep_reaches_once_a_seed(name, tmp_path):
    table = load_tables()[name]
    points = Plan(tmp_path).points(table, "smoke")
    seeds = {point.seed for point in points}
    assert [(point.row, point.seed) for point in points] == [
        (row, seed) for row in table.rows for seed in sorted(seeds)
    ]
    assert len({point.config_hash for point in points}) == len(table.rows)


def test_table_that_names_protocols_is_made_under_these_alone_and_they_make_no_other():
    tables, native = load_tables().values(), {"native_models", "recipe_sweep"}
    assert {table.id for table in made_under("native", tables)} == native
    assert {table.id for table in made_under("paper", tables)} == {table.id for table in tables} - native


def test_protocol_that_a_table_names_shows_that_table_alone(tmp_path):
    tables, results = load_tables(), Results(tmp_path)
    among = ["paper", "laptop", "native"]
    assert results.protocols(tables["class_iou"], among) == ["paper", "laptop"]
    assert results.protocols(tables["native_models"], among) == ["native"]
    assert list(results.protocols(tables["native_models"], ["paper"])) == ["native"]
