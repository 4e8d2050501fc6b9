"""`python -m msaseg.predict`: any image, a folder; goes on where it was broken off."""

import json
import os
import re
import signal
import threading
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from predicting import expected, files_of, labels_of, save, scene, written
from trained import leave_checkpoint

from msaseg.classes import PALETTE
from msaseg.predict import __main__ as command
from msaseg.predict import pictures, pipeline, predictor
from msaseg.records import files
from msaseg.training import inference
from msaseg.training.restore import restore


def test_image_when_predicted_gets_classes_overlay_and_side_by_side_at_its_own_size(predict, checkpoint, tmp_path):
    image = scene(97, 131)
    assert predict(save(tmp_path / "a.png", image)) == 0
    assert written(tmp_path) == files_of("a")
    labels = labels_of(tmp_path, "a")
    assert len(np.unique(labels)) > 1
    assert (labels == expected(checkpoint, image, (64, 96))).mean() > 0.999
    overlay = np.asarray(Image.open(tmp_path / "out/overlay/a.jpg"), float)
    mixed = (image + PALETTE[labels].astype(float)) / 2
    assert overlay.shape[1] == image.shape[1]
    assert np.abs(overlay[:97] - mixed).mean() < 6  # JPEG
    assert np.abs(overlay[97:] - pictures.legend(131)).mean() < 6
    pair = np.asarray(Image.open(tmp_path / "out/side_by_side/a.jpg"), float)
    assert pair.shape[1] == 262
    assert np.abs(pair[:97] - np.hstack([image, PALETTE[labels]])).mean() < 8


def test_legend_of_the_widest_picture_is_a_small_part_of_it():
    assert len(pictures.legend(2 * pictures.LONGEST)) <= 400


@pytest.mark.parametrize("width", [90, 480, 1920])
def test_legend_shows_every_colour_once_on_white(width):
    strip = pictures.legend(width)
    assert strip.shape[1:] == (width, 3)
    for colour in PALETTE[1:-1]:  # the first and last are also in the letters
        rows, columns = np.nonzero((strip == colour).all(-1))
        side = max(12, width // 80) + 1
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (side, side)
    assert (strip[0] == 255).all()


def test_image_when_native_is_seen_at_its_own_size(predict, checkpoint, tmp_path):
    image = scene(97, 131)
    assert predict(save(tmp_path / "a.png", image), "--size=native") == 0
    assert (labels_of(tmp_path, "a") == expected(checkpoint, image)).mean() > 0.999


def test_images_of_any_size_share_batches_and_keep_their_places(predict, checkpoint, images, tmp_path):
    assert predict(images, "--size=native", "--batch=2") == 1  # all are too small to be seen at their own size
    assert written(tmp_path) == {"predict.json"}
    for path in images.iterdir():
        image = scene(*(64 + 7 * int(path.stem) // 2 * n for n in (1, 2)), seed=int(path.stem))
        save(path, image)
    assert predict(images, "--size=native", "--batch=2") == 0
    for path in images.iterdir():
        image = np.asarray(Image.open(path))
        assert (labels_of(tmp_path, path.stem) == expected(checkpoint, image)).mean() > 0.999


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "LA"])
def test_image_of_another_mode_when_predicted_is_read_as_rgb(predict, checkpoint, tmp_path, mode):
    image = Image.fromarray(scene(50, 70))
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.convert(mode).save(path, **({"transparency": bytes(range(256))} if mode == "P" else {}))
    assert predict(path) == 0
    assert labels_of(tmp_path, "a").shape == (50, 70)


def test_photograph_when_its_camera_was_turned_is_set_upright(predict, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(50, 70)).save(tmp_path / "a.jpg", exif=exif)
    assert predict(tmp_path / "a.jpg") == 0
    assert labels_of(tmp_path, "a").shape == (70, 50)


def test_folder_when_repeated_goes_on_with_what_is_missing_or_changed(predict, images, tmp_path, capsys):
    assert predict(images) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*g")}
    assert predict(images) == 0
    assert "5 of 5 images finished before" in capsys.readouterr().out
    (tmp_path / "out/overlay/3.jpg").unlink()
    save(images / "1.png", scene(20, 30))
    (images / "bad.png").write_bytes(b"bad")
    assert predict(images) == 1
    told = capsys.readouterr().out
    assert "3 of 6 images finished before" in told
    assert "2 images in" in told
    assert labels_of(tmp_path, "1").shape == (20, 30)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*g")}
    assert {path.stem for path in before if after[path] != before[path]} == {"1", "3"}
    assert predict(images) == 1  # a bad image is not forgotten


def test_folder_when_broken_off_leaves_whole_files_and_goes_on(predict, images, tmp_path, capsys, monkeypatch):
    drawn = []

    def interrupted(image, labels):
        drawn.append(image)
        if len(drawn) == 3:  # its classes are written, its pictures are not
            os.kill(os.getpid(), signal.SIGINT)
        return overlay(image, labels)

    overlay = pictures.overlay
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "overlay", interrupted)
        with pytest.raises(SystemExit) as stopped:
            predict(images, "--batch=1")
    assert stopped.value.code == 130
    assert "stopped; the same command goes on from here" in capsys.readouterr().err
    partial = written(tmp_path)
    assert partial < files_of(*"01234")
    for name in partial - {"predict.json"}:
        Image.open(tmp_path / "out" / name).load()
    assert predict(images) == 0
    assert written(tmp_path) == files_of(*"01234")


def test_output_when_it_cannot_be_written_is_told_in_one_line_and_nothing_is_half_written(
    predict, images, tmp_path, capsys, monkeypatch
):
    def full(source, target):
        if str(target).endswith(".jpg"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    replace = files.os.replace
    monkeypatch.setattr(files.os, "replace", full)
    assert predict(images) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line
    assert all(name.endswith((".png", "predict.json")) for name in written(tmp_path))


def test_output_when_another_net_or_folder_filled_it_is_refused(predict, images, checkpoint, tmp_path, capsys):
    assert predict(images) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    leave_checkpoint(tmp_path / "other.ckpt")
    save(tmp_path / "elsewhere" / "0.png", scene(30, 40))
    assert command.main([str(tmp_path / "other.ckpt"), str(images), "--out", str(tmp_path / "out")]) == 2
    assert predict(images, "--size=native") == 2
    assert predict(tmp_path / "elsewhere") == 2
    errors = capsys.readouterr().err.splitlines()
    assert ["another checkpoint" in errors[0], "another size" in errors[1], "another input" in errors[2]] == [True] * 3
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")} == before
    (tmp_path / "out/predict.json").write_text("[cut off")
    assert predict(images) == 2


def test_facts_when_written_name_checkpoint_classes_and_colours(predict, images, checkpoint, tmp_path):
    assert predict(images) == 0
    facts = json.loads((tmp_path / "out/predict.json").read_text())
    assert facts["checkpoint"] == restore(checkpoint).digest
    assert facts["classes"]["Road"] == PALETTE[3].tolist()
    assert len(facts["classes"]) == 11


def test_large_images_wait_in_smaller_numbers(monkeypatch):
    monkeypatch.setattr(pipeline, "HELD", 30)
    monkeypatch.setattr(pipeline, "MOST_SEEN", 30)
    begun = []
    ahead = pipeline.ahead(begun.append, range(20), 1, 9, lambda number: 10 if number < 10 else 1)
    next(ahead)
    time.sleep(0.05)
    assert len(begun) == 3
    assert len(list(ahead)) == 19
    pixels = np.zeros((2, 5, 3), np.uint8)
    items = [pipeline.Item(str(number), pixels, pixels) for number in range(7)]
    assert [len(group) for group in pipeline._batches(items, 5)] == [3, 3, 1]


def test_image_when_asked_for_again_is_predicted_again(predict, tmp_path, capsys):
    path = save(tmp_path / "a.png", scene(20, 20))
    assert predict(path) == predict(path) == 0
    assert capsys.readouterr().out.count("1 images in") == 2


def test_progress_when_on_a_terminal_is_shown(predict, images, monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert predict(images) == 0
    assert "images" in capsys.readouterr().err


def test_bench_when_asked_for_compares_with_the_bare_network(predict, images, monkeypatch, capsys):
    monkeypatch.setattr(predictor, "BENCH", 0.01)
    assert predict(images, "--bench") == 0
    told = capsys.readouterr().out
    assert re.search(r"\d\.\d\d of the bare network's [\d.]+ a second, in batches of 8", told)


def test_memory_when_it_runs_out_is_told_with_the_mend(predict, images, monkeypatch, capsys):
    def too_much(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    monkeypatch.setattr("msaseg.training.restore.Restored.logits", too_much)
    assert predict(images) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "5 images of 64x96 do not fit into memory: give a smaller --batch" in line


@pytest.mark.parametrize("size", [(64, 96), (97, 131), (20, 300), (1, 1), (300, 5)])
@pytest.mark.parametrize("strip", [1, 1000, 1 << 20])
def test_classes_when_brought_to_a_size_in_strips_are_those_of_the_whole(checkpoint, monkeypatch, size, strip):
    monkeypatch.setattr(inference, "STRIP", strip)
    logits = F.avg_pool2d(torch.randn(1, 11, 64, 96, generator=torch.Generator().manual_seed(0)), 9, 1, 4)
    whole = F.interpolate(logits, size, mode="bilinear").argmax(1)[0].numpy()
    labels = predictor.Predictor(restore(checkpoint), native=False).labels(logits[0], size)
    assert (labels == whole).mean() > 0.999
    assert labels.dtype == np.uint8


def test_stages_work_at_the_same_time():
    together = threading.Barrier(3, timeout=60)  # broken unless a read, a net and a write are ever under way at once

    class WaitingPredictor:
        def logits(self, images):
            if images[0][0, 0, 0] == 4:
                together.wait()
            return torch.zeros(len(images), 1, 1, 1)

        def labels(self, logits, size):
            return np.zeros(size, np.uint8)

    def read(number):
        if number == 7:
            together.wait()
        pixels = np.full((2, 2, 3), number, np.uint8)
        return pipeline.Item(str(number), pixels, pixels)

    def write(item, labels):
        if item.name == "2":
            together.wait()
        names.append(item.name)

    names = []
    items = (future.result() for future in pipeline.ahead(read, range(15), 1, 4))
    pipeline.predict_all(items, WaitingPredictor(), 2, write, writers=1)
    assert names == [str(number) for number in range(15)]
