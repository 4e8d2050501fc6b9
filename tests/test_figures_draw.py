"""Charts as pictures: what they say can be read in the SVG, and the same content gives the same bytes."""

import io
from functools import cache
from itertools import combinations

import pytest
from matplotlib.text import Text
from PIL import Image

from msaseg.charts.chart import PAPER, Chart, Matrix, Series
from msaseg.classes import CLASSES
from msaseg.figures.draw import draw
from msaseg.figures.style import rendered

X = ["first", "second", "third"]


def chart(kind="points", **changes) -> Chart:
    ours = Series("ours, laptop", X, [41.0, None, 43.0], [0.5, None, None])
    paper = Series("paper, as printed", X, [70.0, 71.0, None], role=PAPER)
    fields = {"id": "c", "title": "A title, protocol laptop", "x_title": "Row", "y_title": "mIoU (%)"}
    return Chart(kind=kind, **{**fields, "series": [ours, paper], **changes})


def curves(**changes) -> Chart:
    epochs = list(range(1, 6))
    train = Series("training", epochs, [5.0, 4.0, 3.0, 2.0, 1.0], [0.1] * 5, colour=2)
    watched = Series("watched", epochs[::2], [5.0, 4.0, 3.0], colour=2, dashed=True)
    paper = Series("paper", [5, 5], [2.0, 4.0], role=PAPER)
    return chart("line", series=[train, watched, paper], **changes)


def costs(points: int, apart: float = 0.4) -> Chart:
    names = [f"Pooling ×{number}" for number in range(points)]
    scores = [40 + apart * i for i in range(points)]
    near = Series("Table 2", [0.4 + 0.0001 * i for i in range(points)], scores, names=names)
    far = Series("Table 3", [0.2], [32.0], [None], names=["1, None"])
    return chart(series=[near, far], log_x=True)


def matrix() -> Matrix:
    return Matrix("m", "Confusion, protocol laptop", ["Sky", "Pole"], [[0.75, 0.25], [None, None]], [[3, 1], [0, 0]])


ALL = {"points": chart(), "bars": chart("bars"), "line": curves(), "costs": costs(4), "matrix": matrix()}


@cache
def files(kind) -> dict[str, bytes]:
    return rendered(draw(ALL[kind]), "Title")


@pytest.mark.parametrize("kind", ALL)
def test_same_chart_drawn_twice_gives_the_same_bytes(kind):
    assert rendered(draw(ALL[kind]), "Title") == files(kind)


@pytest.mark.parametrize("kind", ["points", "bars"])
def test_svg_holds_titles_categories_and_legend_as_text(kind):
    text = files(kind)[".svg"].decode()
    for words in ("A title, protocol laptop", "mIoU (%)", "Row", *X, "ours, laptop", "paper, as printed"):
        assert f">{words}</text>" in text
    assert "<title>Title</title>" in text


def test_point_without_a_number_is_not_drawn():
    [axes] = draw(chart()).axes
    ours, paper = (line for line in axes.lines if len(line.get_xdata()) == 3 and line.get_marker() in "oD")
    assert [y == y for y in ours.get_ydata()] == [True, False, True]
    assert [y == y for y in paper.get_ydata()] == [True, True, False]


def test_bar_without_a_number_is_not_drawn_and_bars_start_at_zero():
    [axes] = draw(chart("bars")).axes
    assert sorted(bar.get_height() for bar in axes.patches) == [41.0, 43.0]
    assert axes.get_ylim()[0] == 0


def test_papers_points_are_hollow_diamonds_without_error_bars():
    [axes] = draw(chart()).axes
    [paper] = [line for line in axes.lines if line.get_marker() == "D"]
    assert paper.get_markerfacecolor() == "white"
    assert len(axes.collections) == 1  # the error bars of ours


def test_curves_of_one_colour_differ_by_dashes_and_the_spread_is_a_band():
    [axes] = draw(curves()).axes
    train, watched, _ = axes.lines
    assert train.get_color() == watched.get_color()
    assert (train.get_linestyle(), watched.get_linestyle()) == ("-", "--")
    assert axes.collections


def test_names_of_crowded_points_overlap_neither_each_other_nor_the_frame():
    [axes] = draw(costs(8)).axes
    assert sorted(text.get_text() for text in axes.texts) == ["1, None", *(f"Pooling ×{i}" for i in range(8))]
    axes.figure.draw_without_rendering()
    frame = axes.get_window_extent()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines to them
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)


def test_points_that_cover_each_other_share_the_name_of_the_uppermost():
    [axes] = draw(costs(8, apart=0.01)).axes
    assert sorted(text.get_text() for text in axes.texts) == ["1, None", "Pooling ×7 and 7 more"]


def test_long_words_are_set_aslant_and_short_ones_are_not():
    wide = chart(series=[Series("ours", CLASSES, [1.0] * len(CLASSES))])
    assert {tick.get_rotation() for tick in draw(wide).axes[0].get_xticklabels()} == {35.0}
    assert {tick.get_rotation() for tick in draw(chart()).axes[0].get_xticklabels()} == {0.0}


def test_confusion_matrix_shows_shares_in_per_cent_and_nothing_for_an_absent_class():
    axes, _ = draw(matrix()).axes
    assert [text.get_text() for text in axes.texts] == ["75", "25"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Sky", "Pole"]


@pytest.mark.parametrize("kind", ALL)
def test_png_is_small_and_states_its_resolution(kind):
    data = files(kind)[".png"]
    assert len(data) < 200_000
    with Image.open(io.BytesIO(data)) as image:
        assert round(image.info["dpi"][0]) == 150
        assert image.width == 960


def test_png_keeps_frequent_colours_exactly():
    with Image.open(io.BytesIO(files("matrix")[".png"])) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(image.width * image.height)}
    assert {(255, 255, 255), (34, 34, 34)} <= colours  # the ground and the text


def test_drawing_does_not_depend_on_the_machines_own_rules(monkeypatch):
    import matplotlib

    before = files("points")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30.0)
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "path")
    assert rendered(draw(chart()), "Title") == before
    assert matplotlib.rcParams["font.size"] == 30.0
