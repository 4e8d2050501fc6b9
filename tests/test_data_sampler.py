"""Frames dealt to several processes."""

from msaseg.data import sampler as sampler_module
from msaseg.data.sampler import EpochSampler, EvalSampler


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


def test_evaluated_frames_when_shared_by_processes_are_read_once_each(monkeypatch):
    ranks = keys_of_ranks(monkeypatch, 4, lambda: EvalSampler(10))
    assert sorted(key for keys in ranks for key in keys) == [(0, index) for index in range(10)]
