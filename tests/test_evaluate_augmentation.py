"""Test-time augmentation: the mean over an image's views."""

import torch

from msaseg.evaluate.augmentation import SCALES, VIEWS, class_scores


def test_flip_of_a_net_that_ignores_place_changes_nothing():
    images = torch.randint(0, 256, (2, 3, 8, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain = class_scores(lambda pixels: pixels.float() / 50, images, (16, 24), "none")
    flipped = class_scores(lambda pixels: pixels.float() / 50, images, (16, 24), "flip")
    torch.testing.assert_close(flipped, plain.softmax(1))


def test_flip_is_the_mean_of_an_image_and_its_mirror():
    position = torch.arange(12.0).expand(1, 1, 8, 12)
    scores = class_scores(
        lambda _: torch.cat([position, -position], 1), torch.zeros(1, 3, 8, 12, dtype=torch.uint8), (8, 12), "flip"
    )
    expected = (torch.sigmoid(2 * position) + torch.sigmoid(2 * position).flip(-1)) / 2
    torch.testing.assert_close(scores[:, :1], expected)


def test_multiscale_shows_the_net_every_scale_and_its_mirror():
    seen = []

    def logits(images):
        seen.append(tuple(images.shape[-2:]))
        return images.float()

    scores = class_scores(logits, torch.zeros(1, 3, 40, 80, dtype=torch.uint8), (20, 40), "multiscale")
    assert scores.shape == (1, 3, 20, 40)
    assert seen == [(round(40 * scale), round(80 * scale)) for scale in SCALES for _ in range(2)]
    assert len(seen) == len(VIEWS["multiscale"])
