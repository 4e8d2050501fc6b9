"""The parts that the report's page is made of: plots, progress, audit, colours."""

import json
import re
from importlib.resources import files

import pytest
from tables_suite import TABLE

from msaseg.charts.chart import PAPER, Chart, Matrix, Series
from msaseg.report.audit import audit
from msaseg.report.heatmap import heatmap
from msaseg.report.page import code
from msaseg.report.plots import COLOURS, plot
from msaseg.report.progress import Progress, states
from msaseg.tables.order import in_order
from msaseg.tables.spec import load_tables

STYLE = files("msaseg.report").joinpath("static", "report.css").read_text(encoding="utf-8")


def chart(kind="points", **changes) -> Chart:
    ours = Series(
        "ours, laptop", ["a", "b", "c"], [1.0, None, 3.0], [0.5, None, None], hover=["seed 0; seed 1", "", ""]
    )
    paper = Series("paper, as printed", ["a", "b", "c"], [2.0, 2.5, 3.0], role=PAPER)
    fields = {"id": "c", "title": "C", "x_title": "x", "y_title": "mIoU (%)", "series": [ours, paper]}
    return Chart(kind=kind, **(fields | changes))


def curve() -> Chart:
    line = Series("net, laptop", [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.1, None, 0.2], colour=7, dashed=True)
    return chart("line", series=[line])


def matrix() -> Matrix:
    return Matrix("m", "M", ["Sky", "<b>"], [[0.75, 0.25], [None, None]], [[3, 1], [0, 0]])


def test_points_have_error_bars_for_the_spread_and_a_gap_where_there_is_no_number():
    ours = plot(chart())["data"][0]
    assert ours["y"] == [1.0, None, 3.0]
    assert ours["error_y"]["array"] == [0.5, None, None]
    assert "error_y" not in plot(chart())["data"][1]


def test_papers_numbers_are_hollow_diamonds_in_every_kind_of_plot():
    for kind in ("points", "bars"):
        marker = plot(chart(kind=kind))["data"][1]["marker"]
        assert marker["symbol"] == "diamond"
        assert marker["color"] == "@page"
        assert marker["line"]["color"] == "@soft"


def test_series_of_one_category_stand_side_by_side_around_its_name():
    figure = plot(chart())
    left, right = (trace["x"] for trace in figure["data"])
    assert all(a < place < b for place, (a, b) in enumerate(zip(left, right, strict=True)))
    assert figure["layout"]["xaxis"]["tickvals"] == [0, 1, 2]
    assert figure["layout"]["xaxis"]["ticktext"] == ["a", "b", "c"]


def test_hover_names_series_category_number_spread_and_each_run_on_a_line():
    said = plot(chart())["data"][0]["hovertext"][0].split("<br>")
    assert said == ["<b>ours, laptop</b>", "a", "mIoU (%): 1.00 ± 0.50", "seed 0", "seed 1"]


def test_curve_has_a_band_where_there_is_a_spread_and_the_series_own_colour():
    band, line = plot(curve())["data"]
    assert band["x"] == [1.0, 3.0, 3.0, 1.0]
    assert band["y"] == [3.1, 1.2, 0.8, 2.9]
    assert band["legendgroup"] == line["legendgroup"]
    assert line["line"] == {"color": f"@series{7 % COLOURS}", "width": 2, "dash": "dash"}
    assert "error_y" not in line


def test_logarithmic_axis_has_plain_ticks_over_all_its_decades():
    series = Series("Table 2, laptop", [0.4, 12.0], [1.0, 2.0], names=["a", "b"])
    figure = plot(chart(series=[series], log_x=True))
    axis = figure["layout"]["xaxis"]
    assert axis["type"] == "log"
    assert axis["ticktext"] == ["0.1", "0.3", "1", "3", "10", "30"]
    assert figure["data"][0]["x"] == [0.4, 12.0]
    assert figure["data"][0]["hovertext"][1].split("<br>")[1:3] == ["b", "x: 12"]


@pytest.mark.parametrize(("x", "log_x"), [(["near", "far"], False), ([1.0, 20.0], True)])
def test_names_of_points_reach_the_page(x, log_x):
    series = Series("split, laptop", x, [1.0, 2.0], names=["40", "7"])
    assert plot(chart(series=[series], log_x=log_x))["data"][0]["text"] == ["40", "7"]


def test_names_of_few_categories_are_broken_into_lines_and_of_many_are_slanted():
    few, many = (
        plot(chart(series=[Series("laptop", ["SwiftNet pyramid"] * count, [1.0] * count)]))["layout"]
        for count in (4, 14)
    )
    assert few["xaxis"]["ticktext"][0] == "SwiftNet<br>pyramid"
    assert few["xaxis"]["tickangle"] == 0
    assert many["xaxis"]["ticktext"][0] == "SwiftNet pyramid"
    assert many["xaxis"]["tickangle"] == -60
    assert many["height"] > few["height"]


def test_texts_reach_plotly_escaped():
    series = Series("<a href='x'>", ["<i>"], [1.0], hover=["<u>"], names=["<s>"])
    text = json.dumps(plot(chart(series=[series], x_title="<h>", y_title="<k>"))) + json.dumps(heatmap(matrix()))
    assert set(re.findall(r"<[^>]*>", text)) <= {"<b>", "</b>", "<br>", "<extra>", "</extra>"}
    assert "&lt;a href" in text
    assert heatmap(matrix())["data"][0]["x"] == ["Sky", "&lt;b&gt;"]


def test_every_colour_of_a_plot_is_in_the_style_sheet():
    names = set()
    for figure in (plot(chart()), plot(chart(kind="bars")), plot(curve()), heatmap(matrix())):
        names |= set(re.findall(r'"@([a-z0-9]+)(?:/[0-9.]+)?"', json.dumps(figure)))
    names |= {f"series{number}" for number in range(COLOURS)}
    assert {"ink", "soft", "rule", "page", "card"} <= names
    assert all(f"--{name}:" in STYLE for name in names)


def test_confusion_matrix_shows_per_cent_with_pixels_and_leaves_absent_classes_empty():
    trace = heatmap(matrix())["data"][0]
    assert trace["z"] == [[75.0, 25.0], [None, None]]
    assert trace["text"] == [["75", "25"], ["", ""]]
    assert trace["customdata"] == [[3, 1], [0, 0]]


def test_tables_come_in_the_order_of_the_paper_whatever_their_files_are_called():
    titles = [shown.title.partition(":")[0] for shown in in_order(load_tables().values())]
    assert [title for title in titles if title.startswith("Table")] == [f"Table {n}" for n in range(1, 7)]
    assert titles.index("Fig. 4") == 6
    assert titles.index("Leakage") > 6


def test_progress_counts_todays_runs_only_and_protocols_without_records(suite):
    first, second, _ = suite.points("laptop", "pool0")
    suite.add(first, 50.0)
    suite.add(second, 50.0, config_hash="00000000")
    laptop, smoke = states([TABLE], suite.results, ["laptop", "smoke"])
    assert (laptop.total, laptop.tables) == (Progress(1, 18), {TABLE.id: Progress(1, 18)})
    assert (smoke.total, smoke.hours) == (Progress(0, 6), 0)
    assert Progress(17, 18).percent == 94


def test_audit_moves_below_the_pages_heading_and_its_links_to_the_docs(tmp_path):
    file = tmp_path / "audit.md"
    links = "[read](paper.md) [up](#mean) [web](https://x.org) <img src=x>"
    file.write_text(f"# Audit\n\n## Of `results`\n\n### The mean\n\n**Paper.** {links}\n\n| a |\n|---|\n| 1 |\n")
    made = audit(file, "../docs")
    assert made.groups == (("audit-1", "Of results"),)
    assert '<h3 id="audit-1">Of <code>results</code></h3>' in made.html
    assert "<h4>The mean</h4>" in made.html
    addresses = re.findall('<a href="([^"]*)">', made.html)
    assert addresses == ["../docs/paper.md", "../docs/audit.md#mean", "https://x.org"]
    assert "&lt;img" in made.html
    assert '<table class="plain">' in made.html
    assert "<h1" not in made.html
    assert audit(tmp_path / "none.md", "") is None


def test_words_between_backticks_become_code_and_the_rest_is_escaped():
    assert code("under `paper` <b>") == "under <code>paper</code> &lt;b&gt;"


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [(front, back, 4.5) for front in ("ink", "soft", "link", "warn") for back in ("page", "card")]
    + [(f"series{number}", "page", 3.0) for number in range(COLOURS)],
)
def test_colours_have_the_contrast_that_wcag_aa_asks_for(front, back, least, theme):
    colours = {name: pair for name, *pair in re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", STYLE)}
    light, dark = sorted((luminance(colours[name][theme]) for name in (front, back)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least
