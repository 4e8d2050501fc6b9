"""The loaders of one protocol."""

import signal

import cv2
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from msaseg.classes import CLASSES
from msaseg.cli.errors import UserError
from msaseg.data.dataset import FrameDataset, Sample, Source, Store, collate
from msaseg.data.sampler import EpochSampler, EvalSampler
from msaseg.data.splits import SplitRule, Splits
from msaseg.data.transforms import Augment

PATIENCE = 300
"""Seconds without a batch after which a loader worker counts as lost."""


class CamVidDataModule(pl.LightningDataModule):
    """Frames from a source, divided by a split, in batches.

    The order of frames and their augmentation are functions of (seed, epoch, frame): they depend neither on
    the number of workers nor on whether a run was broken off and resumed: set `first_epoch` before a resumed fit.

    Args:
        source: the frames.
        split: the rule that divides them.
        num_classes: 11 (void is ignored) or 12 (void is the twelfth class, as in the paper).
        batch_size: frames a training step, over all processes of a run.
        eval_batch_size: frames a validation or test step, in each; null = `batch_size`.
        num_workers: processes that read ahead; 0 reads in this one.
        augment: training augmentation; null = none.
        watch: split that is scored after every epoch: "val", or "test" where a protocol draws its test curve
            (the paper's Fig. 4) and selects nothing by it.
        seed: of order and augmentation; the split has its own.

    Raises:
        UserError: a number is out of range; in `setup` what the source finds wrong.
    """

    store: Store
    splits: Splits
    first_epoch = 0
    """Epoch, from 0, at which a fit begins: Lightning opens the training loader before it says which."""

    def __init__(
        self,
        source: Source,
        split: SplitRule,
        num_classes: int = 11,
        batch_size: int = 4,
        eval_batch_size: int | None = None,
        num_workers: int = 0,
        augment: Augment | None = None,
        watch: str = "val",
        seed: int = 0,
    ) -> None:
        super().__init__()
        known = len(CLASSES)
        if num_classes not in (known - 1, known):
            raise UserError(f"data.num_classes={num_classes}: set {known - 1} (void ignored) or {known} (void a class)")
        lowest = {"batch_size": 1, "eval_batch_size": 1, "num_workers": 0, "seed": 0}
        given = {"batch_size": batch_size, "eval_batch_size": eval_batch_size or batch_size}
        given |= {"num_workers": num_workers, "seed": seed}
        for key, value in given.items():
            if value < lowest[key]:
                raise UserError(f"data.{key}={value}: set {lowest[key]} or more")
        self.source, self.split, self.num_classes = source, split, num_classes
        self.batch_size, self.eval_batch_size = batch_size, given["eval_batch_size"]
        if watch not in ("val", "test"):
            raise UserError(f"data.watch={watch}: set val or test")
        self.watch = watch
        self.num_workers, self.augment, self.seed = num_workers, augment or Augment(), seed

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the scored classes, by index."""
        return CLASSES[: self.num_classes]

    def prepare_data(self) -> None:
        """Build the cache, in one process of each machine."""
        self.source.open()

    def setup(self, stage: str | None = None) -> None:
        """Open the source and divide its frames, once."""
        if not hasattr(self, "store"):
            self.store = self.source.open()
            self.splits = self.split(self.store.names)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffled and augmented, labels at the input size."""
        return self.train_epochs(self.first_epoch)

    def train_epochs(self, first: int, *, divided: bool = True) -> DataLoader[Sample]:
        """Return the training frames from an epoch on, counted from 0.

        Args:
            first: the epoch.
            divided: whether several processes divide the frames; if not, each takes all of them.
        """
        pipeline = self.augment.pipeline(self.source.size)
        dataset = FrameDataset(
            self.store, self.splits.train, self.num_classes, False, pipeline=pipeline, seed=self.seed
        )
        sampler = EpochSampler(len(dataset), self.seed, self.batch_size, first, divided=divided)
        return self._loader(dataset, sampler, self.batch_size // sampler.world)

    def val_dataloader(self) -> DataLoader[Sample] | list[DataLoader[Sample]]:
        """In order, labels at their own size; no loader if there is nothing to watch."""
        watched = self.splits.test if self.watch == "test" else self.splits.val
        return self.eval_loader(watched) if watched else []

    def test_dataloader(self) -> DataLoader[Sample]:
        """In order, labels at their own size."""
        return self.eval_loader(self.splits.test)

    def eval_loader(self, names: tuple[str, ...]) -> DataLoader[Sample]:
        """These frames in order, labels at their own size."""
        dataset = FrameDataset(self.store, names, self.num_classes, True)
        return self._loader(dataset, EvalSampler(len(dataset)), self.eval_batch_size)

    def _loader(
        self, dataset: FrameDataset, sampler: EpochSampler | EvalSampler, batch_size: int
    ) -> DataLoader[Sample]:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=collate,
            worker_init_fn=_start_worker,
            timeout=PATIENCE if self.num_workers else 0,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(self.seed),  # to start workers takes no number from the nets' own
        )


def _start_worker(_: int) -> None:
    """OpenCV's own threads would compete with the other workers; Ctrl-C is for the process that reads from them."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
