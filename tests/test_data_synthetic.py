"""Synthetic streets: the same twelve classes, the same scenes every time."""

import numpy as np
import pytest

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.data.synthetic.streets import SyntheticStreets

SIZE = (72, 96)


def labels():
    streets = SyntheticStreets(SIZE, train=36)
    return np.stack([streets.sample(index, full_label=False)[1] for index in range(36)])


def test_scene_when_drawn_again_is_the_same():
    streets, again = SyntheticStreets(SIZE), SyntheticStreets(SIZE)
    for index in (5, 0, 70):  # in any order
        for one, other in zip(
            streets.sample(index, full_label=False), again.sample(index, full_label=True), strict=True
        ):
            assert (one == other).all()


def test_scenes_when_of_other_numbers_parts_or_seeds_differ():
    streets, other = SyntheticStreets(SIZE, train=3, val=2, test=2), SyntheticStreets(SIZE, seed=1)
    images = [streets.sample(index, full_label=False)[0] for index in range(7)]
    images.append(other.sample(0, full_label=False)[0])
    assert len({image.tobytes() for image in images}) == 8


def test_scene_when_more_are_asked_for_stays():
    few, many = SyntheticStreets(SIZE, train=2), SyntheticStreets(SIZE, train=50)
    name = "val/street_000001"
    one = few.sample(few.names.index(name), full_label=False)[0]
    other = many.sample(many.names.index(name), full_label=False)[0]
    assert (one == other).all()


@pytest.mark.parametrize("size", [(32, 32), (72, 96), (75, 101), (120, 160), (96, 64)])
def test_scene_when_of_any_size_has_uint8_pixels_and_classes(size):
    image, label = SyntheticStreets(size).sample(1, full_label=False)
    assert image.shape == (*size, 3)
    assert label.shape == size
    assert image.dtype == label.dtype == np.uint8
    assert label.max() < len(CLASSES)
    assert image.std() > 20


def test_scenes_when_a_few_dozen_show_every_class_often():
    counts = np.sum([np.bincount(label.ravel(), minlength=12) > 0 for label in labels()], 0)
    assert counts.min() >= 18, dict(zip(CLASSES, counts.tolist(), strict=True))


def test_scenes_when_laid_out_have_sky_above_road_and_houses_between():
    drawn = labels()
    rows = np.arange(SIZE[0])[None, :, None]

    def height(name):
        there = drawn == CLASSES.index(name)
        return (there * rows).sum() / there.sum()

    assert height("Sky") < height("Building") < height("Car") < height("Road")
    share = np.bincount(drawn.ravel(), minlength=12) / drawn.size
    assert share[CLASSES.index("Unlabelled")] < 0.05
    assert share.max() < 0.4


def test_digest_when_the_seed_changes_changes():
    one, other = (SyntheticStreets(SIZE, train=2, val=1, test=1, seed=seed).digest for seed in (0, 1))
    assert one != other
    assert one == SyntheticStreets(SIZE, train=2, val=1, test=1).digest


@pytest.mark.parametrize(("arguments", "key"), [({"size": (16, 64)}, "size"), ({"train": 0}, "train")])
def test_streets_when_out_of_range_name_the_key(arguments, key):
    with pytest.raises(UserError, match=rf"source\.{key}="):
        SyntheticStreets(**{"size": SIZE, **arguments})
