"""What the tests of `python -m msaseg.predict` share."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from msaseg.predict import pictures
from msaseg.training.restore import restore


def scene(height, width, seed=0):
    """A blurred random image, so that neighbours resemble each other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def written(tmp_path):
    return {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}


def files_of(*names):
    return {f"{kind}/{name}{end}" for name in names for kind, end in pictures.FILES.items()} | {"predict.json"}


def labels_of(tmp_path, name):
    with Image.open(tmp_path / "out" / "labels" / f"{name}.png") as image:
        assert image.mode == "L"
        return np.asarray(image)


def expected(checkpoint, image, size=None):
    """Classes of an image, without any of the command's own parts."""
    seen = image if size is None else cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        logits = restore(checkpoint).logits(torch.from_numpy(seen.copy()).permute(2, 0, 1)[None])
        return F.interpolate(logits, image.shape[:2], mode="bilinear").argmax(1)[0].numpy()
