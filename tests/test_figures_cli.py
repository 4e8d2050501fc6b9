"""`python -m msaseg.figures`: what is written, what is said of the rest, and the exit status."""

import json
from dataclasses import replace

import pytest
from command_line import assert_one_line
from matplotlib.figure import Figure

from msaseg.figures import __main__ as command
from msaseg.figures import catalogue
from msaseg.figures.planned import Drawing, Planned, Skipped
from msaseg.tables.plan import Plan
from msaseg.tables.spec import load_tables


def draw_tables(monkeypatch, *ids):
    tables = load_tables()
    monkeypatch.setattr("msaseg.tables.results.load_tables", lambda: {id: tables[id] for id in ids})


@pytest.fixture(autouse=True)
def two_tables(monkeypatch, suite):
    """Composing all tables takes seconds."""
    draw_tables(monkeypatch, "class_iou", "pooling_sweep")
    monkeypatch.setenv("MSASEG_DATA", str(suite.folder / "nowhere"))


def index(folder):
    return json.loads((folder / "figures.json").read_text(encoding="utf-8"))


def test_published_protocol_with_records_is_drawn_into_the_repository(suite, capsys):
    path = suite.add(suite.points("laptop", "pool0")[0], 70.0)
    assert command.main(["--only", "pooling_sweep"]) == 0
    folder = suite.published / "figures"
    assert capsys.readouterr().out.splitlines() == [
        str(folder / "pooling_sweep-laptop.png"),
        str(folder / "pooling_sweep-laptop.svg"),
    ]
    entry = index(folder)["pooling_sweep-laptop"]
    assert entry["records"] == [path.relative_to(suite.folder).as_posix()]
    assert "laptop" in entry["caption"]
    assert suite.table.source in entry["caption"]


def test_plot_is_drawn_again_only_if_its_records_its_files_or_what_draws_it_changed(suite, capsys, monkeypatch):
    first, second = (suite.points("laptop", row)[0] for row in ("pool0", "pool1"))
    folder = suite.published / "figures"
    only = ["--only", "pooling_sweep"]
    suite.add(first, 70.0)
    command.main(only)
    drawn = capsys.readouterr().out
    entries, picture = index(folder), (folder / "pooling_sweep-laptop.png").read_bytes()

    def said():
        assert command.main(only) == 0
        return capsys.readouterr().out

    assert said() == "1 of 1 figures are drawn already\n"
    assert index(folder) == entries
    (folder / "pooling_sweep-laptop.png").write_bytes(b"damaged")
    assert said() == drawn
    assert (folder / "pooling_sweep-laptop.png").read_bytes() == picture
    (folder / "pooling_sweep-laptop.svg").unlink()
    assert said() == drawn
    suite.add(second, 71.0)
    assert said() == drawn
    assert len(index(folder)["pooling_sweep-laptop"]["records"]) == 2
    monkeypatch.setattr("matplotlib.__version__", "99")
    assert said() == drawn
    assert said() == "1 of 1 figures are drawn already\n"


def test_network_is_drawn_again_only_if_its_configuration_or_its_code_changed(suite, capsys, monkeypatch):
    words = ["--protocol", "smoke", "--only", "architecture-smoke"]

    def said():
        assert command.main(words) == 0
        return capsys.readouterr().out

    drawn = said()
    assert drawn.count("architecture-smoke") == 2
    assert said() == "1 of 1 figures are drawn already\n"
    other = replace(suite.plan.protocol("smoke"), default_run="other")
    for target, name, value in ((catalogue, "_nets_code", lambda: "other code"), (Plan, "protocol", lambda *_: other)):
        monkeypatch.setattr(target, name, value)
        assert said() == drawn
        assert said() == "1 of 1 figures are drawn already\n"


def test_unpublished_protocol_is_drawn_beside_its_runs(suite, capsys):
    suite.add(suite.points("smoke", "pool0")[0], 33.0)
    assert command.main(["--protocol", "smoke", "--only", "frame", "masks", "accuracy_macs-smoke"]) == 0
    assert sorted(index(suite.outputs / "figures")) == ["accuracy_macs-smoke", "frame", "masks"]
    assert not suite.published.exists()
    assert capsys.readouterr().out.count("\n") == 6


def test_what_cannot_be_drawn_is_said_with_the_mend_and_is_no_failure(suite, capsys):
    suite.add(suite.points("laptop", "pool0")[0], 70.0)
    assert command.main(["--only", "frame", "predictions", "class_iou"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "skipped frame",
        "skipped predictions-laptop-fcn8_tutorial",
        "skipped predictions-laptop-fcn8_vgg16",
        "skipped predictions-laptop-msanet",
        "skipped class_iou-laptop",
    ]
    assert "make data" in lines[0]
    assert all("python -m msaseg.train" in line for line in lines[1:])


def test_skipped_figure_keeps_entry_and_files(suite, monkeypatch):
    drawable = [True]

    def draw():
        if not drawable[0]:
            raise Skipped("no data")
        return Drawing(Figure(figsize=(1, 1)), "Seen.")

    planned = [Planned("frame", "Fig. 1", "Fig. 1", draw)]
    monkeypatch.setattr(command, "catalogue", lambda *_: planned)
    for drawable[0] in (True, False):
        assert command.main([]) == 0
    folder = suite.published / "figures"
    assert list(index(folder)) == ["frame"]
    assert (folder / "frame.svg").exists()
    planned.clear()
    assert command.main([]) == 0
    assert index(folder) == {}
    assert not (folder / "frame.svg").exists()


def test_protocol_asked_for_draws_no_table_of_another(suite, monkeypatch, capsys):
    draw_tables(monkeypatch, "pooling_sweep", "native_models")
    suite.add(suite.points("smoke", "pool0")[0], 33.0)
    suite.add(suite.plan.points(load_tables()["native_models"], "native", [0])[0], 64.0)
    for asked, there in ((["--protocol", "smoke"], False), ([], True)):
        assert command.main(["--list", *asked]) == 0
        assert ("native_models-native" in capsys.readouterr().out) is there


def test_list_names_every_figure_and_draws_none(suite, capsys):
    suite.add(suite.points("laptop", "pool0")[0], 70.0)
    assert command.main(["--list"]) == 0
    ids = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert ids[:4] == ["frame", "masks", "architecture-paper", "architecture-laptop"]
    assert {"pooling_sweep-laptop", "accuracy_macs-laptop", "predictions-laptop-msanet"} <= set(ids)
    assert not (suite.published / "figures").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--only", "pooling_sweep-lptop"],
            "there is no figure 'pooling_sweep-lptop': did you mean pooling_sweep-laptop",
        ),
        (["--protocol", "laptpo"], "there is no protocol 'laptpo': did you mean laptop?"),
    ],
)
def test_mistake_ends_in_one_line_and_status_2(suite, capsys, arguments, words):
    suite.add(suite.points("laptop", "pool0")[0], 70.0)
    assert command.main(arguments) == 2
    assert_one_line(capsys, f"error: {words}")
    assert not (suite.published / "figures").exists()


def test_unreadable_record_is_told_and_the_rest_is_drawn(suite, capsys):
    good, bad, _ = suite.points("laptop", "pool0")
    suite.add(good, 70.0)
    path = suite.add(bad, 71.0)
    path.write_text("{")
    assert command.main(["--only", "pooling_sweep"]) == 1
    streams = capsys.readouterr()
    assert streams.err.startswith(f"error: {path}: ")
    assert "pooling_sweep-laptop.png" in streams.out
