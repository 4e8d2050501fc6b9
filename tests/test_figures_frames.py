"""Fig. 1 and 2: which frame they show, how small, and what they say when there is no data."""

import cv2
import numpy as np
import pytest

from msaseg.classes import CLASSES, PALETTE
from msaseg.figures import frames
from msaseg.figures.panels import WIDTH
from msaseg.figures.planned import Skipped
from msaseg.figures.style import rendered
from msaseg.predict.pictures import coloured

SIZE = (360, 480)


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    """Five labelled frames in CamVid's layout, three of them for the test; a quarter of each is Road, the rest Sky."""
    label = np.zeros(SIZE, np.uint8)
    label[270:] = CLASSES.index("Road")
    for name in ("train/a_1", "val/b_1", "test/c_1", "test/c_2", "test/c_3"):
        part, stem = name.split("/")
        for folder, pixels in ((part, np.full((*SIZE, 3), 99, np.uint8)), (f"{part}annot", label)):
            (tmp_path / "camvid" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "camvid" / folder / f"{stem}.png"), pixels)
    monkeypatch.setenv("MSASEG_DATA", str(tmp_path / "camvid"))


def svg(drawing) -> str:
    return rendered(drawing.figure, "Title")[".svg"].decode()


@pytest.mark.usefixtures("camvid")
def test_frame_is_the_middle_one_of_the_official_test_part_and_small(suite):
    protocol = suite.plan.protocol("laptop")
    drawing = frames.frame(protocol)
    assert drawing.frames == ["test/c_2"]
    assert "test/c_2" in drawing.caption
    panels = [axes.images[0].get_array() for axes in drawing.figure.axes]
    assert [panel.shape[1] for panel in panels] == [WIDTH, WIDTH]
    assert (panels[1][-1, 0] == PALETTE[CLASSES.index("Road")]).all()
    text = svg(drawing)
    assert "CamVid (Brostow" in text
    assert all(f">{name}</text>" in text for name in CLASSES)


@pytest.mark.usefixtures("camvid")
def test_masks_state_each_classs_share_of_the_frame(suite):
    drawing = frames.masks(suite.plan.protocol("laptop"))
    titles = [axes.get_title(loc="left") for axes in drawing.figure.axes]
    assert len(titles) == len(CLASSES)
    assert {"Sky: 75.0 %", "Road: 25.0 %", "Car: none"} <= set(titles)
    road = drawing.figure.axes[CLASSES.index("Road")].images[0].get_array()
    assert (road[-1] == 0).all()
    assert (road[0] == 255).all()


def test_without_data_the_figure_is_skipped_with_the_mend(suite, monkeypatch, tmp_path):
    monkeypatch.setenv("MSASEG_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(Skipped, match="no such folder: run `make data`"):
        frames.frame(suite.plan.protocol("laptop"))


def test_protocol_of_drawn_scenes_shows_a_drawn_scene(suite):
    drawing = frames.frame(suite.plan.protocol("smoke"))
    assert drawing.frames == ["test/street_000016"]
    assert "CamVid" not in drawing.caption + svg(drawing)


def test_ignored_pixels_are_black_as_void_is():
    picture = coloured(np.array([[0, 11, 255]], np.uint8))
    assert picture[0].tolist() == [PALETTE[0].tolist(), [0, 0, 0], [0, 0, 0]]
