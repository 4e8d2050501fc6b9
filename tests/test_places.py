"""The places of a machine: GPUs leased across processes, or parts of its cores."""

import os

import pytest

from msaseg.cli.errors import UserError
from msaseg.sweep import places as places_module
from msaseg.sweep.gpus import Gpu
from msaseg.sweep.locks import lease
from msaseg.sweep.places import LEASED, Places, own_gpus

TWO = [Gpu("0", ""), Gpu("1", "")]


@pytest.fixture(autouse=True)
def own_folder_of_locks(monkeypatch, tmp_path):
    """These GPUs are no real ones: another test may have them too."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_lease_of_a_device_is_one_process_s_unless_all_share_it():
    gpu = Gpu("0", "")
    alone = lease(gpu)
    assert alone is not None
    assert lease(gpu) is None
    assert lease(gpu, jobs_per_gpu=2) is None
    for lock in alone:
        lock.release()
    shared = [lease(gpu, jobs_per_gpu=2) for _ in range(3)]
    assert [locks is None for locks in shared] == [False, False, True]
    assert lease(gpu) is None


def test_device_by_index_and_by_uuid_is_one_device():
    assert lease(Gpu("0", "L4", "GPU-ab")) is not None
    assert lease(Gpu("GPU-ab", "L4")) is None


def test_jobs_that_may_share_a_device_take_the_emptier_one_first():
    places = Places(TWO, jobs_per_gpu=2)
    taken = [places.take() for _ in range(5)]
    assert [place and place.name for place in taken] == ["GPU 0", "GPU 1", "GPU 0", "GPU 1", None]


def test_single_run_takes_a_free_device_keeps_it_and_hands_it_to_its_ranks(monkeypatch):
    for key in ("CUDA_VISIBLE_DEVICES", LEASED):
        monkeypatch.setenv(key, "0,1")
        monkeypatch.delenv(key)
    taken = lease(TWO[0])
    assert taken is not None
    with own_gpus(TWO):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert lease(TWO[1]) is None
        with own_gpus([Gpu("1", "")]):  # what a rank of this run does
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert lease(TWO[1]) is not None


def test_single_run_when_every_device_is_taken_says_so_once_and_waits(monkeypatch, caplog):
    monkeypatch.delenv(LEASED, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    taken = lease(TWO[0])
    assert taken is not None
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            taken[0].release()

    monkeypatch.setattr(places_module.time, "sleep", nap)
    with caplog.at_level("INFO"), own_gpus(TWO[:1]):
        assert len(naps) == 3
    assert [message.partition(":")[0] for message in caplog.messages] == ["waiting for a GPU"]


def test_single_run_that_asks_for_more_devices_than_it_sees_is_refused(monkeypatch):
    monkeypatch.delenv(LEASED, raising=False)
    with pytest.raises(UserError, match=r"trainer\.devices=3: this process sees 2 GPUs"), own_gpus(TWO, 3):
        pass


def test_cores_are_counted_and_given_back():
    places = Places([], jobs_on_cpu=2)
    first, second = places.take(), places.take()
    assert first is not None
    assert second is not None
    assert places.take() is None
    places.give_back(first)
    assert places.take(2) is None
    places.give_back(second)
    assert places.take(2) is not None
