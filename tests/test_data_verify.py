"""A tree that the user has, against the manifest."""

import functools

import pytest
from manifests import write_manifest
from PIL import Image
from test_data_camvid import write_tree

from msaseg.data import __main__ as cli
from msaseg.data.camvid import list_frames
from msaseg.data.download import compare
from msaseg.data.frames import read, row_of


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("original") / "tree")


@pytest.fixture(scope="module")
def manifest(original):
    rows = [row_of(frame.id, *read(frame, 12)) for frame in list_frames(original)]
    path = original.parent / "manifest.tsv"
    write_manifest(path, rows, "a small tree")
    return path


@pytest.fixture
def shipped_is_small(monkeypatch, manifest):
    monkeypatch.setattr(cli, "compare", functools.partial(compare, manifest=manifest))


@pytest.mark.usefixtures("shipped_is_small")
def test_verify_when_the_tree_is_right_counts_and_exits_0(original, capsys):
    assert cli.main(["verify", str(original)]) == 0
    assert capsys.readouterr().out == (
        f"{original}: 7 frames (3 train, 2 val, 2 test)\nall pixels match the manifest\n"
    )


def test_verify_when_the_tree_is_another_exits_1_with_one_line(original, capsys):
    assert cli.main(["verify", str(original)]) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert "differs from the manifest: 701 missing" in error[0]


def test_verify_when_there_is_no_tree_exits_2_with_one_line(tmp_path, capsys):
    assert cli.main(["verify", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert error[0].startswith(f"error: {tmp_path}/none/train: no such folder")


def recode(root, split: str, suffix: str, **how) -> None:
    for path in sorted((root / split).glob("*.png")):
        with Image.open(path) as image:
            image.save(path.with_suffix(suffix), **how)
        path.unlink()


@pytest.mark.usefixtures("shipped_is_small")
def test_verify_when_frames_are_jpeg_says_lossy_and_exits_0(tmp_path, capsys):
    tree = write_tree(tmp_path / "tree")
    recode(tree, "train", ".jpg", quality=95)
    assert cli.main(["verify", str(tree)]) == 0
    assert "labels match; 3 JPEG images are lossy" in capsys.readouterr().out


def test_verify_when_frames_are_lossless_webp_finds_the_same_pixels(tmp_path, manifest):
    tree = write_tree(tmp_path / "tree")
    recode(tree, "train", ".webp", lossless=True)
    found = compare(tree, manifest)
    assert (found.differences, found.lossy) == ("", 0)


def test_verify_when_one_image_and_one_label_differ_names_both(tmp_path, manifest):
    tree, other = write_tree(tmp_path / "tree"), write_tree(tmp_path / "other", seed=1)
    for file in ("val/0001TP_000030.png", "testannot/0001TP_000000.png"):
        (tree / file).write_bytes((other / file).read_bytes())
    found = compare(tree, manifest)
    assert found.images == ("val/0001TP_000030",)
    assert found.labels == ("test/0001TP_000000",)
    assert found.differences.count("first: ") == 2
