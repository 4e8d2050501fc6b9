"""Augmentation: seeded, labels untouched but for their place, padding void."""

import numpy as np
import pytest

from msaseg.classes import IGNORE
from msaseg.cli.errors import UserError
from msaseg.data.transforms import Augment

SIZE = (40, 56)


@pytest.fixture
def frame():
    """A frame whose label can be told from its red channel: red = 20 * label."""
    label = np.random.default_rng(0).integers(1, 12, (5, 7)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    return np.stack([label * 20, np.full(SIZE, 9, np.uint8), np.full(SIZE, 200, np.uint8)], 2), label


def test_pipeline_when_nothing_is_asked_for_is_none():
    assert Augment().pipeline(SIZE) is None


@pytest.mark.parametrize(
    "augment",
    [
        Augment(flip=True),
        Augment(scale=(0.5, 2.0)),
        Augment(crop=(24, 64)),
        Augment(jitter=0.4),
        Augment(flip=True, scale=[0.75, 1.5], crop=[32, 32], jitter=0.2),
    ],
    ids=str,
)
def test_pipeline_when_seeded_alike_repeats_and_otherwise_varies(frame, augment):
    pipeline = augment.pipeline(SIZE)
    before = [array.copy() for array in frame]
    draws = [pipeline(*frame, seed=(7, epoch, 3)) for epoch in range(12)]
    again = [pipeline(*frame, seed=(7, epoch, 3)) for epoch in range(12)]
    for one, other in zip(draws, again, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert len({image.tobytes() for image, _ in draws}) > 1
    assert all((a == b).all() for a, b in zip(before, frame, strict=True))
    assert {(image.dtype, label.dtype) for image, label in draws} == {(np.dtype("uint8"),) * 2}
    height, width = augment.crop or SIZE
    assert {image.shape for image, _ in draws} == {(height, width, 3)}
    assert {label.shape for _, label in draws} == {(height, width)}


def test_flip_scale_and_brightness_are_drawn_apart():
    image, label = np.full((*SIZE, 3), 100, np.uint8), np.ones(SIZE, np.uint8)
    label[:, 28:] = 2
    pipeline = Augment(flip=True, scale=(0.5, 2.0), crop=(80, 112), jitter=0.3).pipeline(SIZE)
    draws = []
    for seed in range(300):
        changed, moved = pipeline(image, label, seed=(seed, 0, 0))
        inside = moved != IGNORE
        draws.append([inside.sum() ** 0.5, changed[inside].mean(), moved[inside][0] == 2, np.argmax(inside.any(0))])
    scale, brightness, flipped, left = np.transpose(draws)
    assert 0.4 < flipped.mean() < 0.6
    room = left / (112 - 56 * scale / np.prod(SIZE) ** 0.5 + 1)
    assert np.abs(np.corrcoef([scale, brightness, flipped, room]) - np.eye(4)).max() < 0.2


def test_label_when_scaled_stays_where_its_pixels_are():
    y, x = np.mgrid[:120, :160]
    label = (np.hypot(y - 60, x - 80) < 17).astype(np.uint8)
    pipeline = Augment(scale=(0.6, 1.6), crop=(120, 160)).pipeline((120, 160))
    offsets = []
    for seed in range(40):
        image, moved = pipeline(np.repeat(255 * label[..., None], 3, 2), label, seed=(seed,))
        weights = [image[..., 0] / 255, moved == 1]
        offsets.append(np.subtract(*[[(grid * w).sum() / w.sum() for grid in (y, x)] for w in weights]))
    assert np.abs(np.mean(offsets, 0)).max() < 0.05  # pixels; OpenCV's plain "nearest" is half a pixel off


def test_padding_when_shrunk_is_void_in_the_label_and_black_in_the_image(frame):
    image, label = Augment(scale=(0.5, 0.5)).pipeline(SIZE)(*frame, seed=(0,))
    assert (label == IGNORE).mean() == pytest.approx(0.75)
    assert (image[label == IGNORE] == 0).all()
    assert set(np.unique(label)) <= {*np.unique(frame[1]), IGNORE}  # no class 0, no value in between


def test_label_when_cropped_and_flipped_stays_on_its_pixels(frame):
    for seed in range(8):
        image, label = Augment(flip=True, crop=(24, 64)).pipeline(SIZE)(*frame, seed=(seed,))
        inside = label != IGNORE
        assert inside.sum() == 24 * 56
        assert (image[inside][:, 0] == label[inside] * 20).all()


def test_jitter_when_applied_leaves_the_label(frame):
    image, label = Augment(jitter=0.5).pipeline(SIZE)(*frame, seed=(1,))
    assert (label == frame[1]).all()
    assert (image != frame[0]).any()


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"scale": (2.0, 0.5)}, "scale"),
        ({"scale": (0.0, 1.0)}, "scale"),
        ({"scale": (1.0,)}, "scale"),
        ({"crop": (0, 64)}, "crop"),
        ({"crop": (64,)}, "crop"),
        ({"jitter": 1.0}, "jitter"),
        ({"jitter": -0.1}, "jitter"),
    ],
)
def test_augment_when_out_of_range_names_the_key(arguments, key):
    with pytest.raises(UserError, match=rf"augment\.{key}="):
        Augment(**arguments)
