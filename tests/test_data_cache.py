"""Decode once: one cache for all jobs, whole or not there, and never an old one for new content."""

import itertools
import multiprocessing
import os
import pickle
import signal
import time
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import numpy as np
import pytest
from test_data_camvid import SIZE, write_tree

from msaseg.cli.errors import UserError
from msaseg.data.cache import ARRAYS, Cache
from msaseg.data.camvid import CamVid
from msaseg.data.frames import resize_image, resize_label
from msaseg.data.shared_build import build_once

SMALL = (18, 24)


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "camvid")


def open_cache(tree: Path, size=SMALL) -> Cache:
    cache = CamVid(tree, size, tree.parent / "cache").open()
    assert isinstance(cache, Cache)
    return cache


def folders(tree: Path) -> list[str]:
    return sorted(path.name for path in (tree.parent / "cache").iterdir() if path.is_dir())


def test_cache_when_read_equals_files_decoded_anew(tree):
    cache, decoded = open_cache(tree), CamVid(tree, SMALL, None).open()
    assert cache.names == decoded.names
    assert cache.digest == decoded.digest
    for index, full in itertools.product(range(len(cache.names)), (False, True)):
        samples = (store.sample(index, full_label=full) for store in (cache, decoded))
        for ours, theirs in zip(*samples, strict=True):
            assert ours.dtype == np.uint8
            assert (ours == theirs).all()


def test_cache_when_read_has_the_protocols_size_and_labels_at_both(tree):
    image, label = open_cache(tree).sample(0, full_label=False)
    full_image, full_label = CamVid(tree, SIZE, None).open().sample(0, full_label=True)
    assert (image == resize_image(full_image, SMALL)).all()
    assert (label == resize_label(full_label, SMALL)).all()
    assert (open_cache(tree).sample(0, full_label=True)[1] == full_label).all()


def test_cache_when_opened_again_is_not_built_again(tree):
    first = open_cache(tree)
    made = (first.folder / "images.npy").stat()
    again = open_cache(tree)
    assert again.folder == first.folder
    assert (again.folder / "images.npy").stat().st_ino == made.st_ino


@pytest.mark.parametrize("file", ["train/0001TP_000030.png", "valannot/0001TP_000030.png"])
def test_cache_when_content_changes_is_another(tree, tmp_path, file):
    first = open_cache(tree)
    other = write_tree(tmp_path / "other", seed=1)
    (tree / file).write_bytes((other / file).read_bytes())
    second = open_cache(tree)
    assert second.folder != first.folder
    assert second.digest != first.digest


def test_cache_when_a_frame_is_renamed_or_the_size_changes_is_another(tree):
    open_cache(tree)
    open_cache(tree, size=(9, 12))
    for folder in ("train", "trainannot"):
        (tree / folder / "0001TP_000030.png").rename(tree / folder / "0001TP_000031.png")
    open_cache(tree)
    assert len(folders(tree)) == 3


def test_data_digest_when_the_size_changes_stays(tree):
    assert open_cache(tree).digest == open_cache(tree, size=(9, 12)).digest


@pytest.mark.parametrize("file", [*(f"{array}.npy" for array in ARRAYS), "frames.json"])
@pytest.mark.parametrize("harm", ["cut", "empty", "gone"])
def test_cache_when_damaged_is_rebuilt(tree, file, harm):
    cache = open_cache(tree)
    image = cache.sample(3, full_label=False)[0]
    path = cache.folder / file
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size - 7 if harm == "cut" else 0])
    again = open_cache(tree)
    assert again.folder == cache.folder
    assert (again.sample(3, full_label=False)[0] == image).all()


@pytest.mark.parametrize("file", [*(f"{array}.npy" for array in ARRAYS), "frames.json"])
def test_cache_when_a_pixel_or_a_digest_has_changed_is_said_to_be_damaged_and_rebuilt(tree, caplog, file):
    cache = open_cache(tree)
    name, whole = cache.digest, [cache.sample(3, full_label=full) for full in (False, True)]
    path = cache.folder / file
    content = bytearray(path.read_bytes())
    place = content.index(cache.digest[:8].encode()) if file == "frames.json" else len(content) - 5
    content[place] ^= 1
    path.write_bytes(content)
    again = open_cache(tree)
    assert again.digest == name
    for full, (image, label) in zip((False, True), whole, strict=True):
        assert (again.sample(3, full_label=full)[0] == image).all()
        assert (again.sample(3, full_label=full)[1] == label).all()
    said = [record.getMessage() for record in caplog.records if "damaged" in record.getMessage()]
    assert said == [f"{cache.folder} is damaged ({file} is not what was written): it is made again"]


def test_cache_when_opened_again_in_a_process_or_a_worker_is_not_read_through_again(tree, monkeypatch):
    cache = open_cache(tree)
    open_cache(tree)
    monkeypatch.setattr("msaseg.data.cache._digests", lambda folder: {}[folder])
    open_cache(tree)
    assert pickle.loads(pickle.dumps(cache)).names == cache.names


def test_cache_when_the_build_fails_leaves_nothing_and_a_second_try_works(tree):
    label = tree / "testannot" / "0001TP_000030.png"  # the last file
    whole = label.read_bytes()
    label.write_bytes(whole[:60])
    with pytest.raises(UserError, match="cannot be decoded"):
        open_cache(tree)
    assert folders(tree) == []
    label.write_bytes(whole)
    assert len(open_cache(tree).names) == 7


def test_cache_when_the_disk_takes_no_more_of_it_is_one_line_and_a_second_try_works(tree):
    before = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (5000, before[1]))  # bytes of a file: the system refuses the rest as on a full disk
    try:
        with pytest.raises(UserError, match=r"camvid-18x24-\w+: cannot be made .*: free space there") as caught:
            open_cache(tree)
    finally:
        setrlimit(RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert folders(tree) == []
    assert len(open_cache(tree).names) == 7


def test_cache_when_half_built_by_a_killed_job_is_not_taken_and_is_removed(tree):
    folder = open_cache(tree).folder
    folder.rename(folder.with_name(f".{folder.name}.building-abc"))
    (folder.with_name(f".{folder.name}.building-abc") / "frames.json").unlink()
    assert open_cache(tree).sample(0, full_label=True)
    assert folders(tree) == [folder.name]


def test_cache_when_its_place_cannot_be_written_says_which(tree, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/cache/camvid-18x24-\w+: cannot be made"):
        CamVid(tree, SMALL, tmp_path / "file" / "cache").open()


def test_cache_when_pickled_is_its_path_not_its_pixels(tree):
    cache = open_cache(tree)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 1000
    assert (pickle.loads(pickled).images == cache.images).all()


def build_slowly(target: Path, log: Path, barrier) -> None:
    def build(folder: Path) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.3)
        (folder / "done").write_text("")

    barrier.wait()
    build_once(target, lambda folder: (folder / "done").exists(), build)
    assert (target / "done").exists()


def build_forever(target: Path, log: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("")
        log.write_text("started")
        time.sleep(60)

    build_once(target, Path.exists, build)


SPAWN = multiprocessing.get_context("spawn")


def test_builders_when_two_at_once_share_one_build(tmp_path):
    barrier, log = SPAWN.Barrier(2), tmp_path / "log"
    jobs = [SPAWN.Process(target=build_slowly, args=(tmp_path / "target", log, barrier)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(30)
    assert [job.exitcode for job in jobs] == [0, 0]
    assert len(log.read_text().splitlines()) == 1


def test_builder_when_killed_neither_blocks_nor_misleads_the_next(tmp_path):
    target, log = tmp_path / "target", tmp_path / "log"
    job = SPAWN.Process(target=build_forever, args=(target, log))
    job.start()
    while not log.exists():
        assert job.is_alive()
        time.sleep(0.02)
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    job.join(30)
    assert not target.exists()
    assert len(list(tmp_path.glob(".target.building-*"))) == 1
    assert build_once(target, Path.exists, lambda folder: (folder / "whole").touch())
    assert [path.name for path in target.iterdir()] == ["whole"]
    assert not list(tmp_path.glob(".target.building-*"))
