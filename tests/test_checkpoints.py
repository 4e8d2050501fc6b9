"""What a run goes on from: the latest checkpoint that is whole."""

import shutil

import pytest
import torch
from test_module import run_parts, trainer

from msaseg.training import checkpoints
from msaseg.training.intact import DamagedError, read_intact


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A run folder with the checkpoints of epochs 0 and 1, and the module."""
    folder = tmp_path_factory.mktemp("run")
    data, module = run_parts()
    runner = trainer(2, folder, callbacks=[checkpoints.ResumePoints(folder)], checkpoints=True)
    runner.fit(module, data)
    return folder, module


@pytest.fixture
def folder(fitted, tmp_path):
    shutil.copytree(checkpoints.resume_folder(fitted[0]), tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


def newest(folder, fitted):
    return checkpoints.newest_usable(folder, fitted[1], to_resume=True)


def test_newest_is_the_one_of_the_latest_epoch_whatever_its_file_says_of_time(folder, fitted):
    (folder / "epoch=0000.ckpt").touch()
    assert newest(folder, fitted) == folder / "epoch=0001.ckpt"
    assert checkpoints.next_stage(folder.parent, 3) == "epoch 3"
    assert checkpoints.next_stage(folder.parent, 2) == "the test"
    assert checkpoints.next_stage(folder / "none", 2) == "epoch 1"


def test_named_checkpoint_is_preferred_to_later_ones_unless_it_is_damaged(folder, fitted):
    def preferred():
        return checkpoints.newest_usable(folder, fitted[1], to_resume=False, first="epoch=0000.ckpt")

    assert preferred() == folder / "epoch=0000.ckpt"
    flip_a_bit(folder / "epoch=0000.ckpt")
    assert preferred() == folder / "epoch=0001.ckpt"


@pytest.mark.parametrize(
    ("cheap", "kept"), [(3600, ["epoch=0002.ckpt", "epoch=0003.ckpt"]), (0, ["epoch=0000.ckpt", "epoch=0003.ckpt"])]
)
def test_epochs_but_the_last_are_passed_over_while_checkpoints_take_too_long(tmp_path, monkeypatch, cheap, kept):
    monkeypatch.setattr(checkpoints, "CHEAP", cheap)
    monkeypatch.setattr(checkpoints, "SHARE", 1e-9)
    data, module = run_parts()
    runner = trainer(4, tmp_path, callbacks=[checkpoints.ResumePoints(tmp_path)], checkpoints=True)
    runner.fit(module, data)
    assert sorted(path.name for path in checkpoints.resume_folder(tmp_path).iterdir()) == kept


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rewrite(path, change):
    content = torch.load(path, weights_only=True)
    torch.save(change(content) or content, path)


def point_nowhere(path):
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def reshape(content):
    name = next(name for name, tensor in content["state_dict"].items() if tensor.dim() == 4)
    content["state_dict"][name] = content["state_dict"][name][:1]


DAMAGES = {
    "a bit": (flip_a_bit, "not those that were written"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:1000]), "BadZipFile"),
    "empty": (lambda path: path.write_bytes(b""), "BadZipFile"),
    "link": (point_nowhere, "FileNotFoundError"),
    "list": (lambda path: rewrite(path, lambda content: [content]), "it holds a list"),
    "shape": (lambda path: rewrite(path, reshape), "1 tensors do not fit the net"),
    "state_dict": (lambda path: rewrite(path, lambda content: content.pop("state_dict") and None), "no state_dict"),
    "rng": (lambda path: rewrite(path, lambda c: c["msaseg"]["rng"].update(cpu=torch.zeros(3))), "not whole"),
    "epoch": (lambda path: shutil.copy(path.parent / "epoch=0000.ckpt", path), "it is of epoch 1"),
    **{
        key: (lambda path, key=key: rewrite(path, lambda content: content.pop(key) and None), f"KeyError '{key}'")
        for key in ("loops", "optimizer_states", "lr_schedulers", "msaseg", "global_step", "pytorch-lightning_version")
    },
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_checkpoint_damaged_is_named_and_put_aside_and_the_one_before_it_taken(folder, fitted, caplog, damage):
    harm, reason = DAMAGES[damage]
    harm(folder / "epoch=0001.ckpt")
    assert newest(folder, fitted) == folder / "epoch=0000.ckpt"
    (line,) = [record.getMessage() for record in caplog.records]
    assert str(folder / "epoch=0001.ckpt") in line
    assert reason in line
    assert sorted(path.name for path in folder.iterdir()) == ["epoch=0000.ckpt", "epoch=0001.broken"]


def test_checkpoints_all_damaged_leave_none(folder, fitted):
    for path in folder.iterdir():
        flip_a_bit(path)
    assert newest(folder, fitted) is None
    assert newest(folder / "nowhere", fitted) is None


def test_every_flipped_byte_of_the_content_is_found(folder):
    path = folder / "epoch=0001.ckpt"
    whole = path.read_bytes()
    expected = read_intact(path)["state_dict"]
    for place in range(100, len(whole), len(whole) // 50):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:  # what is not found lies between the zip's entries and changes nothing
            assert all(tensor.equal(expected[name]) for name, tensor in read_intact(path)["state_dict"].items())
        except DamagedError:
            continue
