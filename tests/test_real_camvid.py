"""On the real frames (`make test-all` with MSASEG_DATA set): they are those that the manifest lists."""

import os

import pytest

from msaseg.data.__main__ import main
from msaseg.data.camvid import CamVid
from msaseg.data.splits import OfficialSplit, RandomSplit

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("MSASEG_DATA" not in os.environ, reason="set MSASEG_DATA to a CamVid folder"),
]
MANIFEST_DIGEST = "e7104333c5716b10"
"""Of the 701 frames' pixels, as `msaseg.data.manifest` computes it from the shipped list."""


def test_tree_at_msaseg_data_matches_the_manifest(capsys):
    assert main(["verify", os.environ["MSASEG_DATA"]]) == 0
    assert "701 frames (367 train, 101 val, 233 test)" in capsys.readouterr().out


def test_cache_of_the_real_frames_carries_the_manifests_digest(tmp_path):
    store = CamVid(os.environ["MSASEG_DATA"], (60, 80), tmp_path).open()
    assert store.digest.startswith(MANIFEST_DIGEST)
    official, random = OfficialSplit()(store.names), RandomSplit()(store.names)
    assert [len(part) for part in (official.train, official.val, official.test)] == [367, 101, 233]
    assert [len(part) for part in (random.train, random.val, random.test)] == [595, 0, 106]
