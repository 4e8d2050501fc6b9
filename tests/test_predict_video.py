"""`python -m msaseg.predict` of a video."""

import itertools
import os
import re
import signal

import cv2
import numpy as np
import pytest
from predicting import expected, labels_of, scene, written

from msaseg.classes import PALETTE
from msaseg.predict import pictures
from msaseg.predict import video as predict_video


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


def test_video_when_stopped_leaves_nothing_and_says_that_it_starts_anew(predict, tmp_path, capsys, monkeypatch):
    frames = itertools.count()

    def interrupted(image, labels):
        if next(frames) == 1:  # once: a second signal ends the process where it stands
            os.kill(os.getpid(), signal.SIGINT)
        return pictures.overlay(image, labels)

    monkeypatch.setattr(predict_video, "overlay", interrupted)
    with pytest.raises(SystemExit):
        predict(video(tmp_path / "a.mp4"))
    assert capsys.readouterr().err == "stopped; the same command goes on from the start\n"
    assert written(tmp_path) == {"predict.json"}


def test_video_of_an_odd_name_is_one_line(predict, tmp_path, capsys):
    path = video(tmp_path / "a.mp4")
    for name in (b"\xff.mp4", b"a" * 250 + b".mp4"):
        path = path.rename(tmp_path / os.fsdecode(name))
        assert predict(path) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
    assert written(tmp_path) <= {"predict.json"}
