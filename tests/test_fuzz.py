"""Damaged files and mistaken words: read right or refused in one line, never a traceback, never without an end."""

import io
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from msaseg.cli.errors import UserError
from msaseg.data.frames import Frame, read
from msaseg.records import frame_matrices
from msaseg.records.frame_matrices import FrameMatrices
from msaseg.records.run import RunRecord

bounded = settings(
    max_examples=60, deadline=2000, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("../../x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
PIXELS = arrays.arrays(st.sampled_from([np.uint8, np.uint16]), (6, 8)) | arrays.arrays(np.uint8, (6, 8, 3))

KEYS = ["seed", "row", "model", "protocol", "logger", "trainer", "debug", "rerun", "paths.outputs", "model.net"]
KEYS += ["model.lr", "model.net.encoder", "model/net/encoder", "protocol.size", "protocol.epochs", "protocol.select"]
KEYS += ["trainer.devices", "protocol.batch_size", "protocol.lr.scratch", "data.num_workers", "table.rows"]
KEYS += ["hydra.launcher", "no.such.key"]
VALUES = [
    "",
    "null",
    "-1",
    "0",
    "1e9",
    "1e400",
    "nan",
    "true",
    "[64]",
    "[0,0]",
    "{a: 1}",
    "{",
    "../..",
    "a/b",
    "${seed}",
]
VALUES += ["${", "msanet", "best", "'", '"', "é", "\0", "a=b", "??", "a,b", "range(0,2)", "x" * 300]
WORDS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "+", "++", "~"]),
    st.sampled_from(KEYS),
    st.sampled_from(["=", "=", "=", "", "@"]),
    st.sampled_from(VALUES),
)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Cut, or with some bytes replaced."""
    flips = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    return st.integers(0, len(content) - 1).map(lambda end: content[:end]) | flips.map(
        lambda made: flipped(content, made)
    )


def flipped(content: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for place, value in changes:
        changed[place] = value
    return bytes(changed)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


WHOLE = png(np.tile(np.arange(12, dtype=np.uint8), (6, 1)))


@bounded
@given(content=PIXELS.map(png) | damaged(WHOLE) | st.binary(max_size=64))
def test_label_is_read_or_refused(content, tmp_path):
    frame = Frame("train/a", tmp_path / "image.png", tmp_path / "label.png")
    frame.image.write_bytes(png(np.zeros((6, 12, 3), np.uint8)))
    frame.label.write_bytes(content)
    with suppress(UserError):
        _, label = read(frame, 12)
        assert label.shape == (6, 12)
        assert label.max() < 12


@bounded
@given(data=st.data())
def test_record_is_read_or_refused(data, tmp_path, record):
    path = tmp_path / "record.json"
    record.save(path)
    content = json.loads(path.read_text())
    whole = path.read_bytes()
    replaced = st.tuples(st.sampled_from(sorted(content)), JSON).map(
        lambda made: json.dumps(content | dict([made])).encode()
    )
    path.write_bytes(data.draw(replaced | damaged(whole) | st.binary(max_size=64)))
    with suppress(UserError):
        loaded = RunRecord.load(path)
        assert loaded.key.path(tmp_path).is_relative_to(tmp_path)
        assert ".." not in loaded.key.path(tmp_path).parts


@bounded
@given(data=st.data())
def test_matrices_beside_a_record_are_read_or_refused(data, tmp_path, record):
    path = tmp_path / "record.json"
    sums = np.array(record.confusion["test"], np.uint32)
    matrices = FrameMatrices.of({"test": ["test/a", "test/b"]}, {"test/a": sums, "test/b": np.zeros_like(sums)})
    quoted = matrices.save(frame_matrices.file_beside(path))
    content = data.draw(damaged(frame_matrices.file_beside(path).read_bytes()) | st.binary(max_size=64))
    frame_matrices.file_beside(path).write_bytes(content)
    for digest in (quoted, frame_matrices._digest(content)):  # also where the record quotes what lies there
        with suppress(UserError):
            found = frame_matrices.load(path, replace(record, frame_matrices=digest))
            assert np.array_equal(found.part("test")[1].sum(0), sums)


@settings(bounded, max_examples=25, deadline=None)
@given(words=st.lists(WORDS, min_size=1, max_size=2))
@example(words=["~seed=null"])
@example(words=["~protocol", "protocol.epochs=1"])
def test_words_of_a_run_are_taken_or_refused_in_one_line(words, cli, monkeypatch, capsys):
    monkeypatch.setattr("msaseg.training.run.train", lambda *arguments: None)
    capsys.readouterr()
    status = cli("protocol=smoke", *words)
    told = capsys.readouterr().err
    assert status in (0, None) or (status == 2 and told.startswith("error: ") and told.count("\n") == 1), told


@pytest.mark.slow
@pytest.mark.parametrize(
    "word",
    [
        "~seed=null",
        "~protocol",
        "seed=1e9",
        "protocol.epochs=1e9",
        "+x={",
        "row=../..",
        "model=null",
        "protocol.size=[0,0]",
    ],
)
def test_mistaken_command_ends_in_one_line(word, tmp_path):
    command = [sys.executable, "-m", "msaseg.train", "protocol=smoke", f"paths.outputs={tmp_path}", word]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
