"""Frames by their distance in time to the nearest training frame of the same sequence."""

import pytest

from msaseg.cli.errors import UserError
from msaseg.data.distance import DistanceParts
from msaseg.data.splits import OfficialSplit, Splits

FRAMES = ["train/A_000000", "train/A_000030", "val/A_000060", "test/A_000181", "test/A_009000", "test/B_000000"]


def parts(train, edges=(1, 5)):
    rest = tuple(name for name in FRAMES if name not in train)
    return DistanceParts(edges)(FRAMES, Splits(tuple(train), (), rest))


def test_each_frame_that_did_not_train_is_in_the_part_of_its_distance():
    assert parts(["train/A_000000", "train/A_000030"]) == {
        "unseen": tuple(FRAMES[2:]),
        "within_1s": ("val/A_000060",),  # exactly one second
        "1s_to_5s": (),
        "beyond_5s": ("test/A_000181", "test/A_009000"),  # the first by a thirtieth of a second
        "other_sequence": ("test/B_000000",),
    }


def test_nearest_frame_counts_before_and_after():
    assert parts(["test/A_000181"])["1s_to_5s"] == ("val/A_000060",)
    assert parts(["train/A_000000", "test/A_009000"])["within_1s"] == ("train/A_000030",)


@pytest.mark.parametrize("edges", [[], [0], [5, 1], [1, 1]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(UserError, match=r"probe\.edges="):
        DistanceParts(edges)


def test_frames_that_trained_under_another_split_are_left_out():
    splits = Splits(("val/A_000060",), (), ("test/B_000000",))
    found = DistanceParts([1, 5], splits=[OfficialSplit()])(FRAMES, splits)
    assert found["unseen"] == ("test/A_000181", "test/A_009000", "test/B_000000")
    assert found["1s_to_5s"] == ("test/A_000181",)
