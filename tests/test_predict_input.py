"""`python -m msaseg.predict` of what is no picture, an odd one or a very large one, and of odd names."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from command_line import ODD_FOLDER
from PIL import Image
from predicting import files_of, labels_of, save, scene, written
from test_data_camvid import save_empty

from msaseg.predict import __main__ as command
from msaseg.predict import pictures


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


@pytest.mark.parametrize("size", [(13000, 13000), (10**6, 10**6), (40_000, 3), (8193, 8192)])
def test_image_too_large_is_refused_in_one_line_before_it_is_decoded(predict, tmp_path, capsys, monkeypatch, size):
    monkeypatch.setattr(pictures, "rgb", lambda *_: pytest.fail("decoded"))
    assert predict(save_empty(tmp_path / "a.png", *size)) == 1
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
