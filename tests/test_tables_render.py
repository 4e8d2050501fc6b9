import csv
import io

import pytest
from tables_suite import TABLE

from msaseg.records.run import RunRecord
from msaseg.tables.__main__ import main
from msaseg.tables.render import render_all


def rendered(suite, *protocols):
    return render_all([suite.table], suite.results, protocols or ("laptop",))["pooling_sweep"]


def line(markdown, row):
    """Return the cells of a row after its label."""
    start = f"| {TABLE.rows[row].label} | "
    return next(line[len(start) :] for line in markdown.splitlines() if line.startswith(start))


def test_cell_is_mean_and_sample_deviation_over_seeds_and_the_difference_to_the_paper(suite):
    for point, miou in zip(suite.points("laptop", "pool0"), (70.0, 71.0, 72.0), strict=True):
        suite.add(point, miou)
    content = rendered(suite)
    assert line(content.markdown, "pool0") == "70.4 | 71.00 ± 1.00 |"
    assert "- `laptop`: n = 3 seeds." in content.markdown
    [row] = [row for row in csv.DictReader(io.StringIO(content.csv)) if row["row"] == "pool0"]
    assert row == {
        "table": "pooling_sweep",
        "row": "pool0",
        "label": TABLE.rows["pool0"].label,
        "column": "miou_pct",
        "protocol": "laptop",
        "paper": "70.4",
        "mean": "71.0000",
        "sd": "1.0000",
        "n": "3",
        "difference": "",
        "marks": "",
        "commits": "0123456789",
    }


def test_row_without_record_is_missing_and_shows_no_number(suite):
    for point in suite.points("laptop", "pool0"):
        suite.add(point, 70.0)
    content = rendered(suite)
    assert line(content.markdown, "pool1") == "71.3 | missing |"
    assert "missing: no record of such a run." in content.markdown


def test_rows_without_a_run_are_told_with_the_time_that_they_take(suite):
    suite.add(suite.points("laptop", "pool0")[0], 70.0)
    minutes = suite.plan.protocol("paper").minutes
    told = rendered(suite, "paper", "laptop").markdown.partition("## Not run yet\n\n")[2].splitlines()
    takes = f"about {6 * minutes['cpu'] / 60:.0f} h on a CPU, {6 * minutes['gpu']:.0f} min on a GPU"
    assert told[0].startswith(f"- `paper`: 6 of 6 rows. One seed of them takes {takes}: `python -m msaseg.train ")
    assert told[1].startswith("- `laptop`: 5 of 6 rows. ")
    for point in (point for row in TABLE.rows for point in suite.points("paper", row)):
        suite.add(point, 70.0)
    assert "Not run yet" not in rendered(suite, "paper").markdown


def test_table_without_any_record_shows_the_papers_numbers_alone(suite):
    content = rendered(suite, "paper", "laptop")
    assert content.markdown.count("| missing |  |") == 6
    assert "`laptop`: mIoU" not in content.markdown
    assert "75.6" in line(content.markdown, "pool5")
    assert "## Provenance" not in content.markdown


def test_number_beyond_the_tolerance_is_marked_and_the_mark_explained(suite):
    for row, miou in (("pool0", 71.4), ("pool1", 60.0)):
        for point in suite.points("paper", row):
            suite.add(point, miou)
    content = rendered(suite, "paper")
    assert "✱" not in line(content.markdown, "pool0")
    assert line(content.markdown, "pool1").endswith("| -11.30 ✱ |")
    assert "✱: differs" in content.markdown
    assert not any(sign in content.markdown for sign in "†‡")


def test_fewer_seeds_than_asked_are_counted(suite):
    suite.add(suite.points("laptop", "pool0")[0], 70.0)
    content = rendered(suite)
    assert "- `laptop`: n = 1 of 3 seeds." in content.markdown
    assert "protocol=laptop seed=0 rerun=true -m`" in content.markdown


def test_stale_record_shows_only_where_no_current_one_is(suite):
    stale, current = suite.points("laptop", "pool0")[0], suite.points("laptop", "pool1")[0]
    suite.add(stale, 50.0, config_hash="aaaaaaaa", finished="2026-01-01T00:00:00+00:00")
    suite.add(stale, 51.0, config_hash="bbbbbbbb", finished="2026-01-02T00:00:00+00:00")
    suite.add(current, 52.0)
    suite.add(current, 53.0, config_hash="aaaaaaaa", finished="2027-01-01T00:00:00+00:00")
    content = rendered(suite)
    assert "51.00 †" in line(content.markdown, "pool0")
    assert "52.00 |" in line(content.markdown, "pool1")
    assert "†: stale" in content.markdown


def test_record_of_a_dirty_tree_is_marked(suite):
    suite.add(suite.points("laptop", "pool0")[0], 70.0, code={"commit": None, "dirty": True})
    content = rendered(suite)
    assert "70.00 ‡" in line(content.markdown, "pool0")
    assert "commit unknown" in content.markdown


@pytest.mark.parametrize(("loss", "shown"), [(0.6, "50.00 |"), (0.7, "50.00 ◊ |"), (float("nan"), "50.00 ◊ |")])
def test_run_whose_training_loss_ended_above_that_of_guessing_is_marked(suite, loss, shown):
    suite.add(
        suite.points("laptop", "pool0")[0], 50.0, classes=["Sky", "Road"], history={"train/loss": [[1, 0.1], [2, loss]]}
    )
    assert shown in line(rendered(suite).markdown, "pool0")


def test_score_that_is_no_number_is_told_from_a_run_that_is_missing(suite):
    suite.add(suite.points("laptop", "pool0")[0], float("nan"), confusion={})
    suite.add(suite.points("laptop", "pool1")[0], 1.0, metrics={"test": {"miou_pct": None}})
    content = rendered(suite)
    assert content.markdown.count("| missing |") == 4
    assert content.markdown.count("| n/a |") == 2


def test_protocols_stand_side_by_side_in_their_order(suite):
    for name in ("laptop", "paper"):
        suite.add(suite.points(name, "pool0")[0], 70.0)
    content = rendered(suite, "paper", "official", "laptop")
    head = next(line for line in content.markdown.splitlines() if line.startswith("| Number"))
    assert head.index("`paper`: mIoU (%)") < head.index("`laptop`: mIoU (%)")
    assert "`official`" not in head
    assert "- `laptop`: Real CamVid on two CPU cores" in content.markdown
    assert "- `laptop`: 1 run, 0.0 hours; Some CPU (2 cores, 32-true); commit `0123456789`." in content.markdown


@pytest.mark.parametrize("change", ["truncated", "field", "elsewhere", "shape"])
def test_corrupt_record_is_named_and_the_others_are_rendered(suite, capsys, change):
    good, bad, other = suite.points("smoke", "pool0")
    suite.add(good, 33.0)
    path = suite.add(bad, 99.0, **({"code": {}} if change == "shape" else {}))
    if change == "truncated":
        path.write_text(path.read_text()[:100])
    elif change == "field":
        path.write_text(path.read_text().replace('"weights"', '"wieghts"'))
    elif change == "elsewhere":
        path = path.rename(path.with_name(f"seed{other.seed}-{other.config_hash}.json"))
    assert main(["render", "--protocol", "smoke"]) == 1
    streams = capsys.readouterr()
    assert streams.err.startswith(f"error: {path}: ")
    assert streams.err.count("\n") == 1
    assert "33.00" in streams.out
    assert "99.00" not in streams.out


def test_each_record_is_read_once_a_command(suite, monkeypatch):
    paths = [suite.add(point, 50.0) for row in ("pool0", "pool5") for point in suite.points("laptop", row)]
    read, load = [], RunRecord.load.__func__
    monkeypatch.setattr(RunRecord, "load", classmethod(lambda cls, path: read.append(path) or load(cls, path)))
    assert main(["render"]) == 0
    assert sorted(read) == sorted(paths)
