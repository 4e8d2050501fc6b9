"""The plots' numbers are those of the records, and what has no number stays empty."""

from dataclasses import replace
from statistics import fmean, stdev

import pytest
from tables_suite import Suite

from msaseg.charts.build import charts
from msaseg.charts.chart import OURS, PAPER, Chart, Matrix
from msaseg.records.scores import miou_pct
from msaseg.tables.cells import MARKS
from msaseg.tables.spec import load_tables

TABLES = load_tables()
CLASSES = ["Sky", "Building"]


def on(suite: Suite, table: str) -> Suite:
    return replace(suite, table=TABLES[table])


def drawn(suite: Suite, protocol: str = "laptop") -> dict[str, Chart | Matrix]:
    return {chart.id: chart for chart in charts([suite.table], suite.results, [protocol])}


def series(chart: Chart, role: str = OURS):
    return [one for one in chart.series if one.role == role]


@pytest.fixture
def classes(suite):
    """Two seeds of FCN-8 under `smoke`, each with scores, a confusion matrix and curves."""
    suite = on(suite, "class_iou")
    for seed, point in enumerate(suite.points("smoke", "fcn8_vgg16")[:2]):
        matrix = [[30 + seed, 10], [0, 0]]
        suite.add(
            point,
            40.0,
            metrics={"test": {"miou_pct": miou_pct(matrix), "iou_pct": {"Sky": 60.0 + 2 * seed, "Building": None}}},
            confusion={"test": matrix},
            history={
                "train/loss": [[1, 2.0 + seed], [2, 1.0]],
                "val/loss": [[2, 3.0]],
                "train/pixel_accuracy_pct": [[1, 50.0], [2, 80.0 + seed]],
                "val/pixel_accuracy_pct": [[2, 70.0]],
            },
            config={"data": {"watch": "val"}},
        )
    return suite


def test_table_plot_has_mean_and_deviation_of_the_records_beside_the_papers_numbers(suite):
    scores = (70.0, 71.5, 72.0)
    paths = [suite.add(point, miou) for point, miou in zip(suite.points("laptop", "pool0"), scores, strict=True)]
    chart = drawn(suite)["pooling_sweep-laptop"]
    [ours], [paper] = series(chart), series(chart, PAPER)
    assert list(ours.x) == list(paper.x) == [row.label for row in suite.table.rows.values()]
    assert (ours.y[0], ours.spread[0]) == (fmean(scores), stdev(scores))
    assert list(paper.y) == [row.paper["miou_pct"] for row in suite.table.rows.values()]
    assert list(chart.records) == paths
    assert "laptop" in chart.title
    assert "laptop" in ours.label


def test_row_without_records_is_a_gap_and_not_zero(suite):
    suite.add(suite.points("laptop", "pool2")[0], 70.0)
    [ours] = series(drawn(suite)["pooling_sweep-laptop"])
    assert list(ours.y) == [None, None, 70.0, None, None, None]
    assert list(ours.spread) == [None] * 6
    assert ours.hover[0] == ""


def test_ablation_is_shown_as_change_from_its_first_row_between_runs_of_the_same_seeds(suite):
    first, third = suite.points("laptop", "pool0"), suite.points("laptop", "pool2")
    for point, miou in zip([*first[:2], *third], (60.0, 61.0, 63.0, 65.0, 90.0), strict=True):
        suite.add(point, miou)
    chart = drawn(suite)["pooling_sweep-laptop"]
    [ours], [paper] = series(chart), series(chart, PAPER)
    assert list(ours.y) == [None, pytest.approx(3.5), None, None, None]  # the third seed of one row has no partner
    printed = [row.paper["miou_pct"] for row in suite.table.rows.values()]
    assert list(paper.y) == [pytest.approx(value - printed[0]) for value in printed[1:]]
    assert "No verdict comes from this protocol: at 120×160" in chart.note
    assert chart.note.startswith("Mean over the 2 seeds that a row shares with the first.")
    assert "seed 2" not in ours.hover[1]
    assert len(chart.records) == 4


def test_hover_says_how_each_run_of_a_point_was_come_by(suite):
    for point in suite.points("laptop", "pool0")[:2]:
        suite.add(point, 70.0)
    [ours] = series(drawn(suite)["pooling_sweep-laptop"])
    line = "commit 0123456789, 0.6 min on Some CPU"
    assert ours.hover[0] == f"seed 0, {line}; seed 1, {line}"


def test_note_counts_the_seeds_and_names_stale_rows(suite):
    suite.add(suite.points("laptop", "pool0")[0], 70.0, config_hash="aaaaaaaa")
    note = drawn(suite)["pooling_sweep-laptop"].note
    assert "One seed of the 3 asked for." in note
    assert f"{suite.table.rows['pool0'].label}: {MARKS['stale'][1]}." in note


def test_table_without_records_or_without_numbers_has_no_plot(suite):
    layers = on(suite, "layerwise")
    layers.add(layers.points("smoke", "layer1")[0], 0.0, metrics={"computed": {"layer.filter_size": "3×3"}})
    assert drawn(layers, "smoke") == {}
    assert drawn(suite) == {}


def test_each_protocol_has_plots_of_its_own(suite):
    for protocol in ("paper", "laptop"):
        suite.add(suite.points(protocol, "pool0")[0], 70.0)
    ids = [chart.id for chart in charts([suite.table], suite.results, ["paper", "laptop"])]
    assert ids == ["pooling_sweep-paper", "pooling_sweep-laptop", "accuracy_macs-paper", "accuracy_macs-laptop"]


def test_accuracy_against_cost_has_each_rows_macs_and_name(suite):
    for row, macs in (("pool0", 2_000_000_000), ("pool3", 5_000_000_000)):
        cost = {"params": 1, "macs": macs, "input_size": [120, 160]}
        for point, miou in zip(suite.points("laptop", row)[:2], (60.0, 62.0), strict=True):
            suite.add(point, miou, cost=cost)
    chart = drawn(suite)["accuracy_macs-laptop"]
    [ours] = chart.series
    assert list(ours.x) == [2.0, 5.0]
    assert list(ours.y) == [61.0, 61.0]
    assert list(ours.names) == [suite.table.rows[row].label for row in ("pool0", "pool3")]
    assert "120×160" in chart.x_title
    assert len(chart.records) == 4
    assert chart.log_x


def test_run_that_two_tables_share_stands_in_both_plots_but_once_against_cost(suite):
    path = suite.add(suite.points("laptop", "pool5")[0], 70.0)
    tables = [TABLES["branch_fusion_sweep"], TABLES["pooling_sweep"]]
    found = {chart.id: chart for chart in charts(tables, suite.results, ["laptop"])}
    assert list(found["branch_fusion_sweep-laptop"].records) == [path]
    assert series(found["branch_fusion_sweep-laptop"])[0].y[list(tables[0].rows).index("branches1_concat")] == 70.0
    [ours] = found["accuracy_macs-laptop"].series
    assert list(ours.names) == [TABLES["pooling_sweep"].rows["pool5"].label]


def test_class_bars_are_means_over_seeds_and_undefined_classes_are_gaps(classes):
    chart = drawn(classes, "smoke")["class_iou-smoke"]
    [fcn8] = series(chart)  # a net without runs has neither bars nor a line of the legend
    [paper] = series(chart, PAPER)
    at = {name: index for index, name in enumerate(fcn8.x)}
    assert (fcn8.y[at["Sky"]], fcn8.spread[at["Sky"]]) == (61.0, stdev([60.0, 62.0]))
    assert fcn8.y[at["Building"]] is None
    assert fcn8.colour == list(classes.table.rows).index("fcn8_vgg16")
    printed = classes.table.rows["fcn8_vgg16"].paper
    assert [paper.y[at[name]] for name in CLASSES] == [printed[f"iou_pct.{name}"] for name in CLASSES]


def test_confusion_matrix_is_summed_over_seeds_and_an_absent_class_has_no_shares(classes):
    found = drawn(classes, "smoke")
    matrix = found["class_iou-smoke-confusion-fcn8_vgg16"]
    assert "class_iou-smoke-confusion-msanet" not in found
    assert matrix.counts == [[61, 20], [0, 0]]
    assert matrix.shares == [[61 / 81, 20 / 81], [None, None]]
    assert matrix.classes == CLASSES
    assert len(matrix.records) == 2


def test_curves_are_means_over_the_seeds_of_the_runs_that_table_4_made(classes):
    found = drawn(on(classes, "training_curves"), "smoke")
    train, watched = series(found["training_curves-smoke-loss"])
    assert (list(train.x), list(train.y)) == ([1, 2], [2.5, 1.0])
    assert list(train.spread) == [stdev([2.0, 3.0]), 0.0]
    assert (list(watched.x), list(watched.y)) == ([2], [3.0])
    assert (train.dashed, watched.dashed) == (False, True)
    assert train.colour == watched.colour


def test_papers_accuracies_stand_at_the_last_epoch(classes):
    chart = drawn(on(classes, "training_curves"), "smoke")["training_curves-smoke-pixel_accuracy"]
    [paper] = series(chart, PAPER)
    printed = TABLES["training_curves"].rows["fcn8_vgg16"].paper
    assert list(paper.y) == [printed["train/pixel_accuracy_pct"], printed["val/pixel_accuracy_pct"]]
    assert list(paper.x) == [2, 2]
    assert paper.label == f"paper, as printed: training {paper.y[0]:g}, validation {paper.y[1]:g}"


def test_epoch_that_a_seed_lacks_is_left_out(classes):
    point = classes.points("smoke", "fcn8_vgg16")[2]
    classes.add(point, 40.0, history={"train/loss": [[2, 4.0]]})
    train, *_ = series(drawn(on(classes, "training_curves"), "smoke")["training_curves-smoke-loss"])
    assert (list(train.x), list(train.y)) == ([2], [2.0])


def test_curve_of_a_watched_test_part_is_called_so(suite):
    suite = on(suite, "training_curves")
    history = {"train/loss": [[1, 1.0]], "val/loss": [[1, 2.0]]}
    suite.add(suite.points("paper", "msanet")[0], 40.0, history=history, config={"data": {"watch": "test"}})
    chart = drawn(suite, "paper")["training_curves-paper-loss"]
    assert "test (chooses nothing)" in series(chart)[1].label
    assert not any("validation" in one.label for one in chart.series)


def test_leakage_plot_has_a_series_a_split_and_the_frames_of_each_point(suite):
    suite = on(suite, "leakage")
    metrics = {"test": {"miou_pct": 50.0}, "within_1s": {"miou_pct": 48.0, "frames": 12}}
    suite.add(suite.points("smoke", "official")[0], 0.0, metrics=metrics, data={"frames": {"test": 32}})
    [chart] = drawn(suite, "smoke").values()
    [ours] = chart.series
    assert suite.table.rows["official"].label in ours.label
    assert list(ours.y[:4]) == [50.0, None, 48.0, None]
    assert list(ours.names[:4]) == ["32", "", "12", ""]
