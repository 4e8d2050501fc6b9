"""Frames as samples, samples as batches."""

from collections.abc import Sequence
from typing import Protocol, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from msaseg.classes import IGNORE
from msaseg.data.frames import Pixels
from msaseg.data.sampler import Key
from msaseg.data.transforms import Pipeline


class Store(Protocol):
    """Decoded frames, read by number."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their ids, e.g. "train/0001TP_006690"."""

    @property
    def digest(self) -> str:
        """Digest of all full-size pixels."""

    def sample(self, index: int, *, full_label: bool) -> tuple[Pixels, Pixels]:
        """Image at the input size; label at the input size, or at its own with `full_label`."""


class Source(Protocol):
    """Where frames come from: `CamVid` or `SyntheticStreets`."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of its images."""

    def open(self) -> Store:
        """Make the frames ready."""


class Sample(TypedDict):
    """One frame: image (h, w, 3) and label, both uint8, and its id."""

    image: Pixels
    label: Pixels
    name: str


class Batch(TypedDict):
    """N frames.

    Shape:
        image: (N, 3, h, w) uint8, RGB.
        label: (N, h, w) uint8 when training, (N, H, W) at the labels' own size when evaluating.
    """

    image: Tensor
    label: Tensor
    name: list[str]


class FrameDataset(Dataset[Sample]):
    """Some frames of a store, read by the samplers' keys (epoch, index).

    Args:
        store: the frames.
        names: ids of those that belong to this data set, in order.
        num_classes: labels from this value up become `IGNORE`.
        full_labels: labels at their own size (evaluation) instead of the input size (training).
        pipeline: augmentation, or None.
        seed: with epoch and index it seeds the augmentation, in whichever process it runs.
    """

    def __init__(
        self,
        store: Store,
        names: Sequence[str],
        num_classes: int,
        full_labels: bool,
        pipeline: Pipeline | None = None,
        seed: int = 0,
    ) -> None:
        number = {name: index for index, name in enumerate(store.names)}
        self.store, self.names = store, tuple(names)
        self.numbers = [number[name] for name in names]
        self.full_labels, self.pipeline, self.seed = full_labels, pipeline, seed
        values = np.arange(256)
        self.classes = np.where(values < num_classes, values, IGNORE).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        image, label = self.store.sample(self.numbers[index], full_label=self.full_labels)
        label = self.classes[label]
        if self.pipeline is not None:
            image, label = self.pipeline(image, label, seed=(self.seed, epoch, index))
        return {"image": image, "label": label, "name": self.names[index]}


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples; images become channels first."""
    images = np.stack([sample["image"].transpose(2, 0, 1) for sample in samples])
    labels = np.stack([sample["label"] for sample in samples])
    return {
        "image": torch.from_numpy(images),
        "label": torch.from_numpy(labels),
        "name": [sample["name"] for sample in samples],
    }
