"""The splits, on the real names: the shipped manifest has them all."""

import random

import numpy as np
import pytest
from hydra.utils import instantiate

from msaseg.cli.errors import UserError
from msaseg.config import compose_run
from msaseg.data.manifest import read_manifest
from msaseg.data.sequence import seconds
from msaseg.data.splits import ChoiceSplit, OfficialSplit, RandomSplit, Splits, TrainvalSplit

FRAMES = tuple(f"{row.split}/{row.name}" for row in read_manifest())
RULES = {
    "official": (OfficialSplit(), (367, 101, 233), "45187bec22102fb6"),
    "trainval": (TrainvalSplit(), (468, 0, 233), "3699f5abb7b768e7"),
    "random 701": (RandomSplit(pool=701, seed=0), (595, 0, 106), "535f52dde1dc2887"),  # int(0.85 * 701)
    "random 367": (RandomSplit(pool=367, seed=0), (311, 0, 56), "f95c57325c0b2bb2"),
}


@pytest.mark.parametrize(("split", "sizes", "digest"), RULES.values(), ids=RULES)
def test_split_has_its_protocols_sizes_and_this_digest_on_any_machine_and_in_any_order(split, sizes, digest):
    made = split(FRAMES)
    assert (len(made.train), len(made.val), len(made.test)) == sizes
    assert not set(made.train) & set(made.test)
    assert made.digest()[:16] == digest
    assert split(random.Random(1).sample(FRAMES, len(FRAMES))) == made


def test_digest_when_a_frame_changes_sides_changes():
    here, there = Splits(("a", "b"), (), ("c",)), Splits(("a",), (), ("b", "c"))
    assert here.digest() != there.digest()
    assert here.digest() != Splits(("a", "b"), ("c",), ()).digest()
    assert here.digest() == Splits(("b", "a"), (), ("c",)).digest()


def test_splits_when_a_frame_is_in_two_are_refused():
    with pytest.raises(ValueError, match="in two splits"):
        Splits(("a",), (), ("a",))


def test_random_split_when_seeded_otherwise_differs():
    assert RandomSplit(seed=0)(FRAMES).test != RandomSplit(seed=1)(FRAMES).test


def test_random_split_over_367_when_made_keeps_to_the_training_folder():
    made = RandomSplit(pool=367)(FRAMES)
    assert all(frame.startswith("train/") for frame in made.train + made.test)


def test_random_split_when_given_another_pool_names_the_key():
    with pytest.raises(UserError, match=r"split\.pool=500: set 701"):
        RandomSplit(pool=500)


def share_within_a_second(splits: Splits) -> float:
    """Share of test frames that have a training frame of their sequence within one second."""
    times: dict[str, list[float]] = {}
    for sequence, time in map(seconds, splits.train):
        times.setdefault(sequence, []).append(time)
    near = [
        min((abs(time - other) for other in times.get(sequence, [])), default=np.inf) <= 1 + 1e-6
        for sequence, time in map(seconds, splits.test)
    ]
    return float(np.mean(near))


def test_random_split_when_looked_at_in_time_leaks():
    assert np.mean([share_within_a_second(RandomSplit(seed=s)(FRAMES)) for s in range(10)]) > 0.95


def test_official_split_when_looked_at_in_time_does_not_leak():
    assert share_within_a_second(OfficialSplit()(FRAMES)) < 0.01


def test_random_split_when_told_how_many_train_has_so_many_and_tests_the_rest():
    made = RandomSplit(pool=701, seed=0, train=367)(FRAMES)
    assert (len(made.train), len(made.val), len(made.test)) == (367, 0, 334)
    assert set(made.train) < set(RandomSplit(pool=701, seed=0)(FRAMES).train)  # of one order, cut elsewhere


@pytest.mark.parametrize("train", [0, 701, -1])
def test_random_split_when_told_to_train_too_few_or_too_many_names_the_key(train):
    with pytest.raises(UserError, match=rf"split\.train={train}: "):
        RandomSplit(train=train)


def test_split_to_choose_a_recipe_touches_no_official_test_frame():
    made = ChoiceSplit()(FRAMES)
    assert (len(made.train), len(made.val), len(made.test)) == (367, 0, 101)
    assert all(name.startswith("val/") for name in made.test)


def test_leakage_trains_on_equally_many_scenes_of_smoke_and_tests_on_others():
    parts = {}
    for row in ("random", "official"):
        config = compose_run(["+experiment=leakage", "protocol=smoke", f"trained_on={row}"])
        names = instantiate(config.protocol.source).names
        parts[row] = instantiate(config.protocol.split)(names)
    assert len(parts["random"].train) == len(parts["official"].train)
    assert all(split.test for split in parts.values())
    assert compose_run(["+experiment=leakage", "trained_on=random"]).protocol.split.train == 367
