"""Columns of measured speeds: the latest measurement of the net that a row trains."""

import csv
import io
from dataclasses import replace

import pytest

from msaseg.charts.chart import PAPER
from msaseg.charts.plotted_table import PlottedTable
from msaseg.charts.speed import speed_accuracy
from msaseg.config import compose_run, net_hash, plain
from msaseg.records.speed import SpeedRecord
from msaseg.tables import __main__ as command
from msaseg.tables.claim import Claim, Kind
from msaseg.tables.decide import decide
from msaseg.tables.render import render
from msaseg.tables.verdicts import told

FPS = "speed.cpu.fps"


@pytest.fixture(scope="module")
def net():
    """The net of Table 2's row pool5 under laptop, as `msaseg.benchmark` composes it: other classes and weights."""
    words = [
        "model=msanet",
        "protocol=laptop",
        "protocol.weights=none",
        "protocol.num_classes=5",
        "model.net.branches=1",
    ]
    return plain(compose_run(words).model.net)


def measured(net, **changes):
    record = SpeedRecord(
        net="msanet",
        model="msanet",
        form="tuned",
        mode="eager",
        precision="fp32",
        size=[512, 768],
        include={"copy": False, "argmax": False},
        latency_ms={"median": 40.0, "p5": 39.0, "p95": 42.0, "min": 32.0, "max": 50.0, "n": 30},
        fps=25.0,
        throughput={"batch": 1, "images_per_s": {"median": 25.0}},
        peak_memory_mb=None,
        reference="msanet",
        ratio={"median": 1.0, "p5": 0.9, "p95": 1.1, "min": 0.8, "max": 1.2, "n": 30},
        cost={"params": 1, "macs": 2_000_000_000},
        roofline={"times_bound": 3.0, "bound_ms": 13.3, "limited_by": "MACs"},
        procedure={"warmup": 1, "repeats": 2, "calls": 3},
        config={"net": net},
        config_hash="00000000",
        overrides=[],
        code={"commit": "fedcba9876543210", "dirty": False},
        versions={"torch": "2.15.0"},
        hardware={"device": "Some CPU", "kind": "cpu", "cores": 2, "threads": 2, "precision": "fp32"},
        seconds={"total": 60.0},
        finished="2026-01-02T00:00:00+00:00",
    )
    return replace(record, **changes)


@pytest.fixture
def table(suite):
    speed = {"size": [512, 768], "precision": "fp32", "mode": "eager", "form": "tuned", "reference": "msanet"}
    return replace(suite.table, columns={**suite.table.columns, FPS: "fps"}, speed=speed, untestable={})


def filled(suite, table, *records):
    for record in records:
        record.save(suite.plan.speeds("laptop"))
    results = suite.results
    found = results.filled(table, "laptop")
    assert not results.unreadable
    return found


def test_measurement_of_a_rows_net_fills_its_cell_and_no_other(suite, table, net):
    found = filled(suite, table, measured(net))
    assert found.cells["pool5", FPS].mean == 25.0
    assert found.cells["pool5", FPS].marks == ()
    assert found.cells["pool4", FPS].marks == ("missing",)
    assert [run.row for run in found.behind("pool5")] == ["pool5"]


def test_latest_of_two_measurements_counts(suite, table, net):
    later = measured(net, fps=30.0, config_hash="11111111", finished="2026-02-01T00:00:00+00:00")
    assert filled(suite, table, later, measured(net)).cells["pool5", FPS].mean == 30.0


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [360, 480]},
        {"precision": "bf16"},
        {"form": "naive"},
        {"reference": "enet"},
        {"include": {"copy": True, "argmax": False}},
        {"hardware": {"device": "H100", "kind": "cuda", "cores": 2, "threads": 2, "precision": "fp32"}},
    ],
)
def test_measurement_under_other_conditions_fills_nothing(suite, table, net, changes):
    assert filled(suite, table, measured(net, **changes)).cells["pool5", FPS].n == 0


def test_measurement_of_another_architecture_fills_nothing(suite, table, net):
    found = filled(suite, table, measured({**net, "width": net["width"] + 1}))
    assert all(found.cells[row, FPS].n == 0 for row in table.rows)


@pytest.mark.parametrize(
    ("least", "verdict"),
    [
        (20.0, "holds: faster in 19 of 20 calls"),
        (30.0, "contradicted: slower in 19 of 20 calls"),
        (24.0, "undecided: the calls scatter about it"),
    ],
)
def test_speed_is_judged_by_the_range_of_its_calls_on_a_named_device(suite, table, net, least, verdict):
    claim = Claim("fast", "it is fast", 1, Kind.SPEED, FPS, ("pool5",), least)
    found = decide(claim, filled(suite, table, measured(net)))
    assert f"{found.word}: {found.why}" == verdict
    assert told(found).startswith(f"effect {25.0 - least:+.2f} fps on Some CPU, fp32; ")


@pytest.mark.parametrize(("fps", "word"), [(20.0, "holds"), (24.5, "undecided"), (30.0, "contradicted")])
def test_two_speeds_are_told_apart_by_the_ranges_of_both(suite, table, net, fps, word):
    ms = 1000 / fps
    other = {**net, "num_poolings": 4}
    latency = {"median": ms, "p5": ms - 1, "p95": ms + 1, "min": ms - 2, "max": ms + 2, "n": 30}
    rival = measured(other, fps=fps, latency_ms=latency, config_hash="11111111")
    claim = Claim("faster", "it is faster", 1, Kind.ORDER, FPS, ("pool5", "pool4"))
    found = decide(claim, filled(suite, table, measured(net), rival))
    assert (found.word, found.effect) == (word, 25.0 - fps)


def test_speeds_from_two_devices_are_not_compared(suite, table, net):
    elsewhere = {"device": "Other CPU", "kind": "cpu", "cores": 2, "threads": 2, "precision": "fp32"}
    rival = measured({**net, "num_poolings": 4}, hardware=elsewhere, config_hash="11111111")
    claim = Claim("faster", "it is faster", 1, Kind.ORDER, FPS, ("pool5", "pool4"))
    found = decide(claim, filled(suite, table, measured(net), rival))
    assert (found.word, found.why) == ("not measured", "their speeds are from different devices")


def test_speed_that_nobody_timed_is_not_measured(suite, table):
    claim = Claim("fast", "it is fast", 1, Kind.SPEED, FPS, ("pool5",), 30.0)
    assert decide(claim, filled(suite, table)).why == "no speed on a device of the kind cpu"


def test_measurement_from_changed_code_is_marked_and_judges_nothing(suite, table, net):
    dirty = measured(net, code={"commit": "0" * 40, "dirty": True})
    found = filled(suite, table, dirty)
    assert found.cells["pool5", FPS].marks == ("dirty",)
    assert decide(Claim("fast", "it is fast", 1, Kind.SPEED, FPS, ("pool5",), 1.0), found).word == "not measured"


def test_file_of_numbers_names_the_commit_of_the_measurement(suite, table, net):
    suite.add(suite.points("laptop", "pool5")[0], 70.0)
    rows = csv.DictReader(io.StringIO(render([filled(suite, table, measured(net))]).csv))
    commits = {row["column"]: row["commits"] for row in rows if row["row"] == "pool5"}
    assert commits == {"miou_pct": "0123456789", FPS: "fedcba9876"}


def test_rendered_table_names_device_and_commit_of_the_speeds(suite, table, net):
    suite.add(suite.points("laptop", "pool5")[0], 40.0)
    text = render([filled(suite, table, measured(net))]).markdown
    assert "| 25.00 (23.81 to 25.64, n=30) |" in text
    assert "Speeds: 1 measurement; Some CPU (2 cores, fp32); commit `fedcba9876`." in text


def test_range_below_30_samples_is_from_the_least_to_the_most(suite, table, net):
    few = measured(net).latency_ms | {"n": 29}
    found = filled(suite, table, measured(net, latency_ms=few))
    assert found.cells["pool5", FPS].range == (20.0, 31.25, 29)


def test_score_at_another_size_than_the_speeds_is_marked(suite, table, net):
    suite.add(suite.points("laptop", "pool5")[0], 40.0)
    suite.add(suite.points("laptop", "pool4")[0], 40.0, cost={"params": 1, "macs": 1, "input_size": [512, 768]})
    found = filled(suite, table, measured(net))
    marked = [row for (row, column), cell in found.cells.items() if "size" in cell.marks and cell.n]
    assert marked == ["pool5"]
    assert "| 40.00 ¶ |" in render([found]).markdown


def test_deployed_parameters_are_shown_where_they_were_counted(suite, table, net):
    column = "speed.cpu.deployed_m"
    table = replace(table, columns={**table.columns, column: "deployed"})
    assert filled(suite, table, measured(net)).cells["pool5", column].n == 0
    counted = measured(net, cost={"params": 3_000_000, "params_deployed": 2_000_000, "macs": 1})
    assert filled(suite, table, counted).cells["pool5", column].mean == 2.0


def test_page_of_speeds_has_a_table_a_run_and_check_holds_it_to_the_records(suite, net, capsys):
    root = suite.plan.speeds("laptop")
    measured(net).save(root)
    measured(net, finished="2026-03-01T00:00:00+00:00", config_hash="1" * 8).save(root)
    assert command.main(["render"]) == 0
    text = (root / "README.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## some-cpu-2-threads, 512x768, 2026-03-01T00:00:00+00:00",
        "## some-cpu-2-threads, 512x768, 2026-01-02T00:00:00+00:00",
    ]
    assert "1 (0.9-1.1)" in text
    assert command.main(["check"]) == 0
    (root / "README.md").write_text(text.replace("1 (0.9-1.1)", "2 (1.9-2.1)"))
    assert command.main(["check"]) == 1
    assert "speeds/README.md: differs" in capsys.readouterr().err


def test_unreadable_measurement_is_named(suite, table):
    file = suite.plan.speeds("laptop") / "some-cpu" / "broken.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    results = suite.results
    results.filled(table, "laptop")
    assert [*results.unreadable] == [file]


def test_architecture_is_named_without_classes_and_weights(net):
    other = {**net, "num_classes": 99, "encoder": {**net["encoder"], "weights": "imagenet"}}
    assert net_hash(other) == net_hash(net)
    assert net_hash({**net, "encoder": {**net["encoder"], "name": "another"}}) != net_hash(net)


def at_the_speeds_size(suite, table, net, *records):
    """Every chart of a table whose row pool5 was scored on images of the size that speeds are measured at."""
    cost = {"params": 1, "macs": 1, "input_size": [512, 768]}
    suite.add(suite.points("laptop", "pool5")[0], 40.0, cost=cost)
    return speed_accuracy(PlottedTable(filled(suite, table, *records)))


def test_plot_of_accuracy_against_speed_shows_rows_that_have_both(suite, table, net):
    suite.add(suite.points("laptop", "pool4")[0], 41.0)
    by_row, against = at_the_speeds_size(suite, table, net, measured(net))
    assert by_row.id == "pooling_sweep-laptop"
    assert (against.id, against.log_x) == ("pooling_sweep-laptop-fps-cpu", True)
    [ours] = against.series  # the paper prints no speed here
    assert (ours.x, ours.y, ours.names) == ([25.0], [40.0], ["Pooling ×5"])
    assert against.x_title == "Frames a second at 512×768 (Some CPU)"
    assert against.y_title == "mIoU (%) on images of that size"
    assert len(against.records) == 2


def test_score_at_another_size_than_its_speed_is_not_plotted_against_it(suite, table, net):
    suite.add(suite.points("laptop", "pool5")[0], 40.0)
    [by_row] = speed_accuracy(PlottedTable(filled(suite, table, measured(net))))
    assert by_row.id == "pooling_sweep-laptop"


@pytest.mark.parametrize(("kind", "drawn"), [("cuda", 1), ("cpu", 0)])
def test_papers_speeds_stand_beside_those_of_a_gpu_alone(suite, table, net, kind, drawn):
    row = replace(table.rows["pool5"], paper={**table.rows["pool5"].paper, "speed.cuda.fps": 124.0})
    columns = {**suite.table.columns, f"speed.{kind}.fps": "fps"}
    table = replace(table, columns=columns, rows={**table.rows, "pool5": row})
    hardware = {**measured(net).hardware, "kind": kind}
    _, against = at_the_speeds_size(suite, table, net, measured(net, hardware=hardware))
    assert sum(series.role == PAPER for series in against.series) == drawn
