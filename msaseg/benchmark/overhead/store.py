"""Synthetic frames to measure with: held in memory, or as a CamVid tree of PNGs."""

from pathlib import Path

import cv2
from omegaconf import DictConfig

from msaseg.data.datamodule import CamVidDataModule
from msaseg.data.dataset import Store
from msaseg.data.frames import Pixels
from msaseg.data.synthetic.streets import SyntheticStreets
from msaseg.training.trainer import build

KEPT = 64  # frames that a measurement holds and repeats


class InMemory:
    """The first frames of a store in memory, repeated under all its names: reading costs what a copy costs."""

    def __init__(self, store: Store, kept: int = KEPT) -> None:
        self.names, self.digest = store.names, "in memory"
        self.frames = [store.sample(index, full_label=True) for index in range(min(kept, len(self.names)))]

    def sample(self, index: int, *, full_label: bool) -> tuple[Pixels, Pixels]:
        """Image and label of a frame; both labels are the same."""
        image, label = self.frames[index % len(self.frames)]
        return image.copy(), label.copy()


def with_store(config: DictConfig, store: Store | None = None) -> CamVidDataModule:
    """Return a run's data module that reads from this store, or from its own source's frames kept in memory."""
    data: CamVidDataModule = build(config, "data")
    data.store = store or InMemory(data.source.open())
    data.splits = data.split(data.store.names)
    return data


def synthetic_tree(root: Path) -> Path:
    """Write a small tree of synthetic frames in CamVid's layout and size; return it."""
    streets = SyntheticStreets((360, 480), train=KEPT - 2, val=1, test=1)
    for index, name in enumerate(streets.names):
        part, street = name.split("/")
        for folder, pixels in zip((part, f"{part}annot"), streets.sample(index, full_label=True), strict=True):
            (root / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / folder / f"{street}.png"), pixels)
    return root
