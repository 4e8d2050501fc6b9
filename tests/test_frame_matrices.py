from dataclasses import replace

import numpy as np
import pytest
import torch

from msaseg.classes import IGNORE
from msaseg.cli.errors import UserError
from msaseg.records import frame_matrices, places
from msaseg.records.frame_matrices import FrameMatrices, file_beside
from msaseg.records.scores import miou_pct
from msaseg.tables.__main__ import check_frames
from msaseg.tables.results import Results
from msaseg.training.metrics import confusion_matrix
from msaseg.training.metrics import frame_matrices as matrices_of

NAMES = ("test/a_1", "test/a_2", "val/b_1")


@pytest.fixture
def filed(tmp_path, record):
    """A record with matrices of three frames, of which two are the test split; returns its path and itself."""
    counts = np.arange(12, dtype=np.uint32).reshape(3, 2, 2)
    frames = FrameMatrices.of({"test": NAMES[:2], "near": NAMES[1:]}, dict(zip(NAMES, counts, strict=True)))
    path = record.key.path(tmp_path / "records")
    confusion = {"test": counts[:2].sum(0).tolist(), "near": counts[1:].sum(0).tolist(), "val": [[0, 0], [0, 0]]}
    metrics = {part: {"miou_pct": miou_pct(matrix)} for part, matrix in confusion.items()}
    record = replace(record, metrics=metrics, confusion=confusion, frame_matrices=frames.save(file_beside(path)))
    record.save(path)
    return path, record


def test_matrix_of_each_frame_is_that_of_the_frame_alone():
    torch.manual_seed(0)
    predicted, labels = torch.randint(0, 5, (4, 6, 7)), torch.randint(0, 5, (4, 6, 7))
    labels[:2, :3] = IGNORE
    for found, one, truth in zip(matrices_of(predicted, labels, 5), predicted, labels, strict=True):
        alone = np.zeros((5, 5), int)
        for p, t in zip(one.flatten().tolist(), truth.flatten().tolist(), strict=True):
            if t != IGNORE:
                alone[t, p] += 1
        assert found.tolist() == alone.tolist()
    summed = confusion_matrix(5)
    summed.update(predicted, labels)
    assert torch.equal(matrices_of(predicted, labels, 5).sum(0), summed.compute())


def test_matrices_saved_and_loaded_are_the_same(filed):
    frames = frame_matrices.load(*filed)
    names, counts = frames.part("near")
    assert names == NAMES[1:]
    assert counts.tolist() == [[[4, 5], [6, 7]], [[8, 9], [10, 11]]]
    assert frames.part("test")[0] == NAMES[:2]


def test_file_of_the_same_matrices_has_the_same_bytes(filed):
    path, record = filed
    before = file_beside(path).read_bytes()
    assert frame_matrices.load(path, record).save(file_beside(path)) == record.frame_matrices
    assert file_beside(path).read_bytes() == before


def test_record_without_matrices_has_none(tmp_path, record):
    assert frame_matrices.load(record.key.path(tmp_path), record) is None


def flip_a_byte(path, record):
    content = bytearray(file_beside(path).read_bytes())
    content[len(content) // 2] ^= 1
    file_beside(path).write_bytes(content)
    return record


def put_another(content):
    def damage(path, record):
        file_beside(path).write_bytes(content)
        return replace(record, frame_matrices=frame_matrices._digest(content))

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path, record: file_beside(path).unlink() or record, "are not there"),
        (flip_a_byte, "not the file that its record quotes"),
        (put_another(b"no archive"), "not matrices of frames"),
        (lambda path, record: replace(record, confusion={**record.confusion, "near": [[1, 2], [3, 4]]}), "of near"),
        (lambda path, record: replace(record, confusion={"near": record.confusion["near"]}), "of test"),
    ],
)
def test_matrices_when_damaged_are_refused_in_one_line_with_the_mend(filed, damage, words):
    path, record = filed
    record = damage(path, record)
    with pytest.raises(UserError, match=words) as error:
        frame_matrices.load(path, record)
    assert str(file_beside(path)) in str(error.value)
    assert "git checkout" in str(error.value)
    assert "\n" not in str(error.value)


def test_check_of_the_tables_tells_of_damaged_matrices(filed, monkeypatch):
    path, _ = filed
    monkeypatch.setattr(places, "PUBLISHED", path.parents[4])
    whole, damaged = Results(path.parents[4]), Results(path.parents[4])
    check_frames(whole)
    assert not whole.unreadable
    flip_a_byte(*filed)
    check_frames(damaged)
    assert str(file_beside(path)) in damaged.unreadable[path]
