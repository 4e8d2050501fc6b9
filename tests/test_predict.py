"""`python -m msaseg.predict`: any image, a folder with bad ones, a video; goes on where it was broken off."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from command_line import ODD_FOLDER
from PIL import Image
from trained import leave_checkpoint

from msaseg.classes import PALETTE
from msaseg.predict import __main__ as command
from msaseg.predict import pictures, pipeline, predictor
from msaseg.records import files
from msaseg.training import inference
from msaseg.training.restore import restore


def scene(height, width, seed=0):
    """A blurred random image, so that neighbours resemble each other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a net whose predictions differ from place to place."""
    path = tmp_path_factory.mktemp("left") / "weights.ckpt"
    scenes = np.stack([scene(64, 96, seed) for seed in range(4)])
    leave_checkpoint(path, "model=aggregation", seen=torch.from_numpy(scenes).permute(0, 3, 1, 2))
    return path


@pytest.fixture
def predict(checkpoint, tmp_path):
    """Call the command on a path; what it writes goes to `out`."""

    def call(source, *words):
        return command.main([str(checkpoint), str(source), "--out", str(tmp_path / "out"), *words])

    return call


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)
    return path


@pytest.fixture
def images(tmp_path):
    """A folder of five images of three sizes."""
    for number, size in enumerate([(48, 64), (48, 64), (37, 91), (70, 33), (48, 64)]):
        save(tmp_path / "in" / f"{number}.png", scene(*size, seed=number))
    return tmp_path / "in"


def written(tmp_path):
    return {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}


def files_of(*names):
    return {f"{kind}/{name}{end}" for name in names for kind, end in pictures.FILES.items()} | {"predict.json"}


def labels_of(tmp_path, name):
    with Image.open(tmp_path / "out" / "labels" / f"{name}.png") as image:
        assert image.mode == "L"
        return np.asarray(image)


def expected(checkpoint, image, size=None):
    """Classes of an image, without any of the command's own parts."""
    seen = image if size is None else cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        logits = restore(checkpoint).logits(torch.from_numpy(seen.copy()).permute(2, 0, 1)[None])
        return F.interpolate(logits, image.shape[:2], mode="bilinear").argmax(1)[0].numpy()


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


def test_bad_images_when_in_a_folder_are_named_and_skipped_and_the_status_says_so(predict, images, tmp_path, capsys):
    whole = (images / "1.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    (images / "text.jpg").write_text("no image")
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(images / "deep.png")
    (images / "notes.txt").write_text("passed over in silence")
    assert predict(images) == 1
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert len(lines) == 3
    for name, reason in (("cut.png", "cannot be decoded"), ("text.jpg", "cannot be decoded"), ("deep.png", "8 bits")):
        assert any(line.startswith(f"skipped: {images / name}: ") and reason in line for line in lines)
    assert "5 images in" in told.out
    assert "3 skipped" in told.out
    assert written(tmp_path) == files_of(*"01234")


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


def video(path, frames=7, size=(64, 96), codec="mp4v"):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 5, size[::-1])
    for number in range(frames):
        writer.write(np.ascontiguousarray(scene(*size, seed=number // 4)[:, :, ::-1]))
    writer.release()
    return path


def frames_of(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1][:, :, ::-1])
    return frames, capture.get(cv2.CAP_PROP_FPS)


def test_video_when_predicted_gives_videos_of_the_same_length_and_speed(predict, checkpoint, tmp_path):
    assert predict(video(tmp_path / "a.mp4"), "--labels", "--batch=3") == 0
    numbers = {f"labels/a_{number:06d}.png" for number in range(1, 8)}
    assert written(tmp_path) == numbers | {"a_overlay.mp4", "a_side_by_side.mp4", "predict.json"}
    source, _ = frames_of(tmp_path / "a.mp4")
    overlays, rate = frames_of(tmp_path / "out/a_overlay.mp4")
    pairs, _ = frames_of(tmp_path / "out/a_side_by_side.mp4")
    assert (len(overlays), len(pairs), rate) == (7, 7, 5)
    below = [len(pictures.legend(width)) for width in (96, 192)]
    assert (overlays[0].shape, pairs[0].shape) == ((64 + below[0], 96, 3), (64 + below[1], 192, 3))
    for number, image in enumerate(source):
        labels = labels_of(tmp_path, f"a_{number + 1:06d}")
        assert (labels == expected(checkpoint, image)).mean() > 0.999
        mixed = (image.astype(float) + PALETTE[labels]) / 2
        assert np.abs(overlays[number][:64] - mixed).mean() < 12
        assert np.abs(pairs[number][:64, :90] - image[:, :90].astype(float)).mean() < 12


def test_video_when_cut_off_gives_what_could_be_read_and_status_1(predict, tmp_path, capsys):
    whole = video(tmp_path / "a.avi", frames=20, codec="MJPG").read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[: len(whole) // 2])
    assert predict(tmp_path / "a.avi") == 1
    told = capsys.readouterr()
    assert re.search(r"skipped: .*a\.avi: only \d+ of 20 frames could be read", told.err)
    frames, _ = frames_of(tmp_path / "out/a_overlay.mp4")
    assert 0 < len(frames) < 20
    assert f"{len(frames)} frames in" in told.out


def test_video_when_it_cannot_be_written_whole_leaves_nothing(predict, tmp_path, capsys, monkeypatch):
    class FullDisk:
        def __init__(self, path, *_):
            with open(path, "wb") as file:
                file.write(b"cut off")

        def isOpened(self):  # noqa: N802 - OpenCV's name
            return True

        def write(self, frame):
            pass

        def release(self):
            pass

    source = video(tmp_path / "a.mp4")
    FullDisk.fourcc = cv2.VideoWriter.fourcc
    monkeypatch.setattr(cv2, "VideoWriter", FullDisk)
    assert predict(source) == 2
    assert "a_side_by_side.mp4: could not be written whole" in capsys.readouterr().err
    assert written(tmp_path) == {"predict.json"}


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (["no.ckpt", "a.png"], ["no.ckpt: no such file"]),
        (["CHECKPOINT", "no.png"], ["no.png: no such file or folder"]),
        (["CHECKPOINT", "notes.txt"], ["notes.txt: neither image nor video", ".png", ".mp4"]),
        (["CHECKPOINT", "empty"], ["empty: no images here"]),
        (["CHECKPOINT", "twice"], ["a.png", "a.jpg would be written to the same names"]),
        (["CHECKPOINT", "broken.mp4"], ["broken.mp4", "cut off, or no video"]),
        (["CHECKPOINT", "pipe.png"], ["pipe.png: neither a file nor a folder"]),
        (["CHECKPOINT", "pipe.mp4"], ["pipe.mp4: neither a file nor a folder"]),
        (["CHECKPOINT", "/dev/zero"], ["/dev/zero: neither a file nor a folder"]),
        (["CHECKPOINT", "a.png", "--out=notes.txt"], ["notes.txt", "cannot be written"]),
    ],
)
def test_mistake_when_made_is_one_line_with_status_2_and_writes_nothing(
    checkpoint, tmp_path, monkeypatch, capsys, words, phrases
):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.png", scene(20, 20))
    save(tmp_path / "twice" / "a.png", scene(20, 20))
    save(tmp_path / "twice" / "a.jpg", scene(20, 20))
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "broken.mp4").write_bytes(bytes(100))
    os.mkfifo("pipe.png")
    os.mkfifo("pipe.mp4")
    words = [str(checkpoint) if word == "CHECKPOINT" else word for word in words]
    assert command.main(["--out", "out", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    for phrase in phrases:
        assert phrase in line
    assert not (tmp_path / "out").exists()


def test_bad_image_when_alone_gives_status_1_and_no_picture(predict, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"no image")
    assert predict(tmp_path / "a.png") == 1
    assert "a.png: cannot be decoded" in capsys.readouterr().err
    assert written(tmp_path) == {"predict.json"}


LONG = "a" * 246 + ".png"
ODD = ["a\nb.png", "<b>&amp;.png", "[red]x.png", "\x1b[2J.png", "a..png", LONG, os.fsdecode(b"\xff\xfe.png")]


def test_names_when_odd_are_predicted_and_harmless_in_the_terminal(predict, tmp_path, capsys):
    for name in ODD:
        save(tmp_path / "in" / name, scene(20, 30))
    (tmp_path / "in" / ("bad" + ODD[0])).write_bytes(b"no image")
    (tmp_path / "in" / ("bad" + ODD[-1])).write_bytes(b"no image")
    assert predict(tmp_path / "in") == 1
    assert written(tmp_path) == files_of(*(name.removesuffix(".png") for name in ODD if not name.startswith(".")))
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 2
    assert "bada\\nb.png: cannot be decoded" in told.err
    assert "\\udcff\\udcfe.png: cannot be decoded" in told.err
    assert list((tmp_path / "out").rglob(".*")) == []


def test_checkpoint_picture_and_output_below_a_folder_of_an_odd_name_are_as_anywhere(checkpoint, tmp_path, capsys):
    folder = tmp_path / ODD_FOLDER
    picture = save(folder / "a = b, é.png", scene(64, 80))
    left = folder / "weights, 1.ckpt"
    left.write_bytes(checkpoint.read_bytes())
    for source, output in ((picture, folder / "one = 1"), (folder, folder / "all, of them")):
        assert command.main([str(left), str(source), "--out", str(output)]) == 0
        assert [path.name for path in (output / "labels").iterdir()] == [picture.name]
    assert capsys.readouterr().err == ""


def test_video_of_an_odd_name_is_one_line(predict, tmp_path, capsys):
    path = video(tmp_path / "a.mp4")
    for name in (b"\xff.mp4", b"a" * 250 + b".mp4"):
        path = path.rename(tmp_path / os.fsdecode(name))
        assert predict(path) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
    assert written(tmp_path) <= {"predict.json"}


def test_pipes_and_dead_links_when_in_a_folder_are_named_and_skipped(predict, images, tmp_path, capsys):
    os.mkfifo(images / "pipe.png")
    (images / "zero.jpg").symlink_to("/dev/zero")
    (images / "dead.png").symlink_to("nowhere")
    (images / "folder.png").mkdir()
    assert predict(images) == 1
    assert predict(images) == 1
    lines = capsys.readouterr().err.splitlines()
    for name, reason in (("pipe.png", "a pipe"), ("zero.jpg", "a pipe"), ("dead.png", "no file of this name")):
        assert sum(name in line and reason in line for line in lines) == 2
    assert written(tmp_path) == files_of(*"01234")


def test_picture_whose_files_cannot_be_written_does_not_end_the_folder(predict, images, tmp_path, capsys):
    (tmp_path / "out" / "overlay" / "2.jpg" / "in the way").mkdir(parents=True)
    assert predict(images) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"skipped: {tmp_path / 'out/overlay/2.jpg'}: cannot be written")
    assert files_of(*"0134") <= written(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_of_16_bits_are_predicted_by_their_upper_8(predict, tmp_path, suffix):
    image = scene(40, 60)
    save(tmp_path / "plain.png", image)
    deep = image.astype(np.uint16) * 256 + np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f"deep{suffix}"), deep[:, :, ::-1])
    assert predict(tmp_path / "plain.png") == predict(tmp_path / f"deep{suffix}") == 0
    assert np.array_equal(labels_of(tmp_path, "plain"), labels_of(tmp_path, "deep"))


def header(path, width, height):
    """A PNG that says that it is of this size, and holds no pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    return path


@pytest.mark.parametrize("size", [(13000, 13000), (10**6, 10**6), (40_000, 3), (8193, 8192)])
def test_image_too_large_is_refused_in_one_line_before_it_is_decoded(predict, tmp_path, capsys, monkeypatch, size):
    monkeypatch.setattr(pictures, "rgb", lambda *_: pytest.fail("decoded"))
    assert predict(header(tmp_path / "a.png", *size)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"skipped: {tmp_path / 'a.png'}: ")
    assert "pixels" in line


@pytest.mark.slow
def test_largest_image_costs_a_bounded_amount_of_memory(checkpoint, tmp_path):
    Image.new("RGB", (8192, 8192)).save(tmp_path / "a.png", compress_level=1)
    code = (
        "import resource, sys; from msaseg.predict.__main__ import main; status = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(status)"
    )
    words = [checkpoint, tmp_path / "a.png", "--out", tmp_path / "out"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=180, check=True)
    assert int(done.stdout.split()[-1]) < 3 << 20  # kB: 2.3 GB of pixels, their three pictures, and torch itself


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


def test_stages_when_all_take_long_overlap():
    class SlowPredictor:
        def logits(self, images):
            time.sleep(0.03 * len(images))
            return torch.zeros(len(images), 1, 1, 1)

        def labels(self, logits, size):
            return np.zeros(size, np.uint8)

    def read(number):
        time.sleep(0.03)
        pixels = np.full((2, 2, 3), number, np.uint8)
        return pipeline.Item(str(number), pixels, pixels)

    def write(item, labels):
        time.sleep(0.03)
        names.append(item.name)

    names = []
    items = (future.result() for future in pipeline.ahead(read, range(15), 1, 4))
    started = time.perf_counter()
    pipeline.predict_all(items, SlowPredictor(), 2, write, writers=1)
    assert time.perf_counter() - started < 0.75 * 3 * 15 * 0.03
    assert names == [str(number) for number in range(15)]
