"""Batches: what they hold, and that neither workers, nor processes, nor a resumed run change them."""

import pickle

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from test_data_camvid import SIZE, write_tree

from msaseg.classes import CLASSES, IGNORE
from msaseg.cli.errors import UserError
from msaseg.data import sampler as sampler_module
from msaseg.data.camvid import CamVid
from msaseg.data.datamodule import CamVidDataModule
from msaseg.data.sampler import EpochSampler, EvalSampler
from msaseg.data.splits import OfficialSplit, RandomSplit, TrainvalSplit
from msaseg.data.synthetic.streets import SyntheticStreets
from msaseg.data.transforms import Augment

pytestmark = [
    # Two and four workers are what is compared here, on however few cores.
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    # Python 3.12 and later; torch's DataLoader forks beside its own threads.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    # Lightning's, of the fits at the end.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec"),
]
AUGMENT = Augment(flip=True, scale=(0.7, 1.4), jitter=0.2)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("data") / "camvid", counts=(9, 3, 4))


def make(tree, split=None, size=(18, 24), **arguments) -> CamVidDataModule:
    source = CamVid(tree, size, tree.parent / "cache")
    data = CamVidDataModule(source, split or OfficialSplit(), **arguments)
    data.setup()
    return data


def epochs(data: CamVidDataModule, numbers) -> list[dict]:
    loader = data.train_dataloader()
    batches = []
    for epoch in numbers:
        loader.sampler.set_epoch(epoch)
        batches += list(loader)
    return batches


def same(one: list[dict], other: list[dict]) -> bool:
    return len(one) == len(other) and all(
        a["name"] == b["name"] and a["image"].equal(b["image"]) and a["label"].equal(b["label"])
        for a, b in zip(one, other, strict=True)
    )


def test_training_batch_when_read_has_images_and_labels_at_the_input_size(tree):
    batch = next(iter(make(tree).train_dataloader()))
    assert (batch["image"].shape, batch["image"].dtype) == ((4, 3, 18, 24), torch.uint8)
    assert (batch["label"].shape, batch["label"].dtype) == ((4, 18, 24), torch.uint8)
    assert all(name.startswith("train/0001TP_") for name in batch["name"])


@pytest.mark.parametrize("part", ["val", "test"])
def test_evaluation_batch_when_read_has_labels_at_their_own_size(tree, part):
    loader = getattr(make(tree, eval_batch_size=3), f"{part}_dataloader")()
    batch = next(iter(loader))
    assert batch["image"].shape == (3, 3, 18, 24)
    assert batch["label"].shape == (3, *SIZE)
    names = [name for batch in loader for name in batch["name"]]
    assert names == sorted(names)
    assert len(names) == {"val": 3, "test": 4}[part]


def test_batch_when_read_holds_the_pixels_of_the_frames_it_names(tree):
    data = make(tree)
    for batch in data.train_dataloader():
        for image, label, name in zip(batch["image"], batch["label"], batch["name"], strict=True):
            expected = data.store.sample(data.store.names.index(name), full_label=False)
            assert (image.permute(1, 2, 0).numpy() == expected[0]).all()
            assert (label.numpy() == np.where(expected[1] == 11, IGNORE, expected[1])).all()


@pytest.mark.parametrize(("num_classes", "values"), [(11, {*range(11), IGNORE}), (12, set(range(12)))])
def test_void_when_not_a_class_is_ignored(tree, num_classes, values):
    data = make(tree, num_classes=num_classes)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        assert set(torch.cat([batch["label"].flatten() for batch in loader]).tolist()) == values
    assert data.class_names == CLASSES[:num_classes]


def test_batches_when_read_by_any_number_of_workers_are_the_same(tree):
    alone = epochs(make(tree, augment=AUGMENT, seed=5), (0, 1))
    for workers in (2, 4):
        assert same(epochs(make(tree, augment=AUGMENT, seed=5, num_workers=workers), (0, 1)), alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_when_read_in_turn_differ_and_a_resumed_one_repeats(tree, workers):
    data = make(tree, augment=AUGMENT, num_workers=workers)
    through = epochs(data, (0, 1, 2))
    assert not same(through[:2], through[2:4])
    assert same(epochs(make(tree, augment=AUGMENT), (2,)), through[4:])


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_when_opened_take_no_number_from_the_nets_own(tree, workers):
    data = make(tree, augment=AUGMENT, num_workers=workers)
    before = torch.get_rng_state()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        next(iter(loader))
    assert torch.get_rng_state().equal(before)


def test_frame_when_met_in_two_epochs_is_augmented_anew(tree):
    seen = {}
    for batch in epochs(make(tree, augment=Augment(jitter=0.4)), range(3)):
        for image, name in zip(batch["image"], batch["name"], strict=True):
            seen.setdefault(name, set()).add(image.numpy().tobytes())
    assert {len(images) for images in seen.values()} <= {2, 3}


def test_seed_when_changed_changes_order_and_augmentation(tree):
    one, other = (epochs(make(tree, augment=AUGMENT, seed=seed), (0,)) for seed in (0, 1))
    assert not same(one, other)


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4]), (5, [5, 4]), (1, [1] * 9), (9, [9]), (20, [9])])
def test_last_training_batch_when_of_one_frame_is_left_out(tree, batch_size, sizes):
    loader = make(tree, batch_size=batch_size).train_dataloader()
    assert [len(batch["name"]) for batch in loader] == sizes
    assert len(loader) == len(sizes)


def test_training_set_when_of_one_frame_is_kept(tmp_path):
    data = make(write_tree(tmp_path / "camvid", counts=(1, 1, 1)))
    assert len(list(data.train_dataloader())) == 1


@pytest.mark.parametrize("split", [TrainvalSplit(), RandomSplit(pool=367)])
def test_validation_when_the_split_has_none_is_no_loader(tree, split):
    data = make(tree, split)
    assert data.val_dataloader() == []
    assert len(data.splits.train) + len(data.splits.test) > 0


def test_validation_when_the_test_part_is_watched_reads_it(tree):
    data = make(tree, RandomSplit(pool=367), watch="test")
    names = [name for batch in data.val_dataloader() for name in batch["name"]]
    assert names == list(data.splits.test)


def test_digests_when_the_split_or_the_pixels_change_change(tree, tmp_path):
    official, trainval = make(tree), make(tree, TrainvalSplit())
    assert official.splits.digest() != trainval.splits.digest()
    assert official.store.digest == trainval.store.digest
    other = make(write_tree(tmp_path / "camvid", counts=(9, 3, 4), seed=1))
    assert other.splits.digest() == official.splits.digest()
    assert other.store.digest != official.store.digest


def test_data_module_when_given_streets_reads_them_like_camvid():
    data = CamVidDataModule(SyntheticStreets((40, 56), train=4, val=2, test=2), OfficialSplit())
    data.prepare_data()
    data.setup("fit")
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 3, 40, 56)
    assert next(iter(data.val_dataloader()))["label"].shape == (2, 40, 56)


def test_dataset_when_sent_to_a_spawned_worker_stays_small(tree):
    dataset = make(tree).train_dataloader().dataset
    assert len(pickle.dumps(dataset)) < 5_000  # the pixels are ten times that


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 13}, "data.num_classes=13: set 11"),
        ({"batch_size": 0}, "data.batch_size=0: set 1 or more"),
        ({"eval_batch_size": -1}, "data.eval_batch_size=-1: set 1 or more"),
        ({"num_workers": -1}, "data.num_workers=-1: set 0 or more"),
        ({"seed": -3}, "data.seed=-3: set 0 or more"),
        ({"watch": "train"}, "data.watch=train: set val or test"),
    ],
)
def test_data_module_when_out_of_range_names_the_key(arguments, message):
    with pytest.raises(UserError, match=message):
        CamVidDataModule(SyntheticStreets((40, 56)), OfficialSplit(), **arguments)


class Recorder(pl.LightningModule):
    """Trains nothing; writes down which frames came in which epoch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, tuple[str, ...], int]] = []
        self.validated = 0

    def training_step(self, batch, _):
        self.seen.append((self.current_epoch, tuple(batch["name"]), int(batch["image"].sum())))
        return self.weight * 0

    def validation_step(self, batch, _):
        self.validated += len(batch["name"])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(tree, folder, epochs: int, ckpt=None, first_epoch=0, **arguments) -> Recorder:
    recorder = Recorder()
    data = make(tree, augment=AUGMENT, **arguments)
    data.first_epoch = first_epoch
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    trainer.fit(recorder, datamodule=data, ckpt_path=ckpt)
    trainer.save_checkpoint(folder / "last.ckpt")
    return recorder


@pytest.mark.parametrize("workers", [0, 2])
def test_run_when_broken_off_and_resumed_sees_the_batches_of_an_unbroken_one(tree, tmp_path, workers):
    unbroken = fit(tree, tmp_path / "a", 3)
    fit(tree, tmp_path / "b", 1)
    resumed = fit(tree, tmp_path / "c", 3, tmp_path / "b" / "last.ckpt", first_epoch=1, num_workers=workers)
    assert {epoch for epoch, *_ in unbroken.seen} == {0, 1, 2}
    assert resumed.seen == unbroken.seen[2:]
    assert unbroken.seen[:2] != [(0, *rest) for _, *rest in unbroken.seen[2:4]]
    assert unbroken.validated >= 3 * 3


@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")
def test_run_when_the_split_has_no_validation_trains_without(tree, tmp_path):
    recorder = fit(tree, tmp_path, 1, split=TrainvalSplit())
    assert recorder.validated == 0
    assert len(recorder.seen) == 3


def keys_of_ranks(monkeypatch, world: int, make_sampler):
    ranks = []
    for rank in range(world):
        monkeypatch.setattr(sampler_module, "_rank_and_world", lambda rank=rank: (rank, world))
        sampler = make_sampler()
        keys = list(sampler)
        assert len(keys) == len(sampler)
        ranks.append(keys)
    return ranks


def test_training_frames_when_shared_by_processes_are_dealt_evenly_without_repeats(monkeypatch):
    ranks = keys_of_ranks(monkeypatch, 4, lambda: EpochSampler(11, seed=3, batch_size=4))
    assert [len(keys) for keys in ranks] == [2, 2, 2, 2]
    assert len({key for keys in ranks for key in keys}) == 8
    alone = keys_of_ranks(monkeypatch, 1, lambda: EpochSampler(11, seed=3, batch_size=4))[0]
    assert [keys[0] for keys in ranks] == alone[:4]
    assert sorted(alone) == [(0, index) for index in range(11)]


def test_training_frames_that_processes_do_not_divide_are_all_taken_by_each(monkeypatch):
    alone = keys_of_ranks(monkeypatch, 1, lambda: EpochSampler(11, seed=3, batch_size=4, epoch=2))
    assert (
        keys_of_ranks(monkeypatch, 2, lambda: EpochSampler(11, seed=3, batch_size=4, epoch=2, divided=False))
        == 2 * alone
    )


def test_evaluated_frames_when_shared_by_processes_are_read_once_each(monkeypatch):
    ranks = keys_of_ranks(monkeypatch, 4, lambda: EvalSampler(10))
    assert sorted(key for keys in ranks for key in keys) == [(0, index) for index in range(10)]
