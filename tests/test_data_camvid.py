"""The tree on disk: what is read, and what is refused with which words."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from manifests import write_manifest
from PIL import Image

from msaseg.classes import CLASSES, IGNORE, PALETTE
from msaseg.cli.errors import UserError
from msaseg.data.camvid import CamVid, list_frames
from msaseg.data.frames import read, resize_image, resize_label
from msaseg.data.manifest import MANIFEST, digest, read_manifest
from msaseg.data.sequence import seconds

SIZE = (36, 48)


def write_tree(root: Path, counts=(3, 2, 2), suffix: str = ".png", seed: int = 0) -> Path:
    """A small tree in the SegNet layout: random pixels, every class in every label."""
    rng = np.random.default_rng(seed)
    for split, count in zip(("train", "val", "test"), counts, strict=True):
        (root / split).mkdir(parents=True)
        (root / f"{split}annot").mkdir()
        for number in range(count):
            name = f"0001TP_{number * 30:06d}"
            image = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            label = rng.permutation(np.arange(SIZE[0] * SIZE[1]) % 12).reshape(SIZE).astype(np.uint8)
            Image.fromarray(image).save(root / split / f"{name}{suffix}", lossless=True)
            Image.fromarray(label).save(root / f"{split}annot" / f"{name}.png")
    return root


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "camvid")


def save_label(path: Path, label: np.ndarray) -> None:
    Image.fromarray(label).save(path)


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column, and steps, of the passes of an interlaced PNG."""


def save_interlaced(path: Path, pixels: np.ndarray, palette: bytes = b"") -> None:
    """Write what Pillow reads but does not write: uint8 or uint16 values (H, W), or RGB (H, W, 3)."""
    passes = [pixels[y::dy, x::dx] for y, x, dy, dx in ADAM7]
    rows = b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for part in passes for row in part)
    kind = 3 if palette else 2 if pixels.ndim == 3 else 0
    head = (*pixels.shape[1::-1], 8 * pixels.itemsize, kind, 0, 0, 1)
    save_chunks(path, head, *([(b"PLTE", palette)] if palette else []), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))


def save_chunks(path: Path, head: tuple[int, ...], *chunks: tuple[bytes, bytes]) -> None:
    """Write a PNG of the numbers of its head and of further chunks, each a name and its content."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, content in ((b"IHDR", struct.pack(">2I5B", *head)), *chunks):
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", zlib.crc32(kind + content))]
    path.write_bytes(b"".join(parts))


def save_empty(path: Path, width: int, height: int) -> Path:
    """Write a PNG that says that it is of this size, and holds no pixels."""
    save_chunks(path, (width, height, 8, 2, 0, 0, 0), (b"IDAT", b""))
    return path


def save_palette(path: Path, label: np.ndarray, colours: bytes = PALETTE.tobytes(), **how: int) -> None:
    image = Image.fromarray(label)
    image.putpalette(colours)
    image.save(path, **how)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def open_all(root: Path, cached: bool, tmp_path: Path):
    store = CamVid(root, SIZE, tmp_path / "cache" if cached else None).open()
    return [store.sample(index, full_label=True) for index in range(len(store.names))]


def test_frames_when_listed_come_by_split_and_name(tree):
    assert [frame.id for frame in list_frames(tree)] == [
        "train/0001TP_000000",
        "train/0001TP_000030",
        "train/0001TP_000060",
        "val/0001TP_000000",
        "val/0001TP_000030",
        "test/0001TP_000000",
        "test/0001TP_000030",
    ]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".PNG"])
def test_frames_when_in_another_format_have_the_same_ids(tree, tmp_path, suffix):
    other = write_tree(tmp_path / "other", suffix=suffix)
    assert [frame.id for frame in list_frames(other)] == [frame.id for frame in list_frames(tree)]
    assert read(list_frames(other)[0], 12)[0].shape == (*SIZE, 3)


def test_stray_files_when_in_the_folders_are_passed_over(tree):
    (tree / "train" / "._0001TP_000000.png").write_bytes(b"")
    (tree / "train" / "Thumbs.db").write_bytes(b"")
    assert len(list_frames(tree)) == 7


def put_pipe(path):
    path.unlink()
    os.mkfifo(path)


def put_link(path):
    path.unlink()
    path.symlink_to(path.parent / "nowhere.png")


def put_16_bits(path, *channels):
    cv2.imwrite(str(path), np.full((*SIZE, *channels), 4000, np.uint16))


BOMB = (1 << 16, 1 << 15)
TRAIN, LABEL = "train/0001TP_000030.png", "trainannot/0001TP_000030.png"
BAD = {
    "missing folder": (lambda root: shutil.rmtree(root / "val"), "val", "make data"),
    "empty folder": (lambda root: (shutil.rmtree(root / "test"), (root / "test").mkdir()), "test", "MSASEG_DATA"),
    "frame without label": (lambda root: (root / LABEL).unlink(), TRAIN, "remove the frame"),
    "label without frame": (lambda root: (root / TRAIN).unlink(), LABEL, "remove the label"),
    "label of another size": (
        lambda root: save_label(root / LABEL, np.zeros((36, 47), np.uint8)),
        LABEL,
        "36x47.*36x48.*same size",
    ),
    "label value 37": (
        lambda root: save_label(root / LABEL, np.full(SIZE, 37, np.uint8)),
        LABEL,
        "label value 37 is outside 0..11",
    ),
    "colours in a label": (lambda root: save_label(root / LABEL, np.zeros((*SIZE, 3), np.uint8)), LABEL, "indices"),
    "colours with transparency in a label": (
        lambda root: save_label(root / LABEL, np.zeros((*SIZE, 4), np.uint8)),
        LABEL,
        "mode RGBA: convert its colours to indices",
    ),
    "grey with transparency in a label": (
        lambda root: Image.new("LA", SIZE[::-1]).save(root / LABEL),
        LABEL,
        "not mode LA",
    ),
    "label of one bit": (lambda root: Image.new("1", SIZE[::-1]).save(root / LABEL), LABEL, "not mode 1"),
    "label of 16 bits": (lambda root: save_label(root / LABEL, np.zeros(SIZE, np.uint16)), LABEL, "not mode I;16"),
    "interlaced label of 16 bits": (
        lambda root: save_interlaced(root / LABEL, np.zeros(SIZE, np.uint16)),
        LABEL,
        "not mode I;16",
    ),
    "interlaced colours in a label": (
        lambda root: save_interlaced(root / LABEL, np.zeros((*SIZE, 3), np.uint8)),
        LABEL,
        "not mode RGB",
    ),
    "palette label of a value 37": (
        lambda root: save_palette(root / LABEL, np.full(SIZE, 37, np.uint8), bytes(3 * 256)),
        LABEL,
        "label value 37 is outside 0..11",
    ),
    "truncated interlaced label": (
        lambda root: (save_interlaced(root / LABEL, np.zeros(SIZE, np.uint8)), cut(root / LABEL)),
        LABEL,
        "replace the file",
    ),
    "truncated frame": (lambda root: cut(root / TRAIN), TRAIN, "replace the file"),
    "truncated label": (lambda root: cut(root / LABEL), LABEL, "replace the file"),
    "empty file": (lambda root: (root / TRAIN).write_bytes(b""), TRAIN, "replace the file"),
    "pipe as a frame": (lambda root: put_pipe(root / TRAIN), TRAIN, "not a file"),
    "pipe as a label": (lambda root: put_pipe(root / LABEL), LABEL, "not a file"),
    "link to nowhere": (lambda root: put_link(root / TRAIN), TRAIN, "points nowhere"),
    "frame of 16 bits a colour": (lambda root: put_16_bits(root / TRAIN, 3), TRAIN, "convert it to 8-bit RGB"),
    "grey frame of 16 bits": (lambda root: put_16_bits(root / TRAIN), TRAIN, "convert it to 8-bit RGB"),
    "frame of two billion pixels": (
        lambda root: save_empty(root / TRAIN, *BOMB),
        TRAIN,
        "decompression bomb",
    ),
    "label of two billion pixels": (
        lambda root: save_empty(root / LABEL, *BOMB),
        LABEL,
        "decompression bomb",
    ),
    "frame twice": (
        lambda root: (root / TRAIN).with_suffix(".jpg").write_bytes((root / TRAIN).read_bytes()),
        TRAIN,
        "remove one",
    ),
}


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("case", BAD)
def test_tree_when_broken_is_refused_in_one_line_with_the_mend(tree, tmp_path, case, cached):
    harm, file, mend = BAD[case]
    harm(tree)
    with pytest.raises(UserError, match=mend) as caught:
        open_all(tree, cached, tmp_path)
    assert str(tree / file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_frames_when_of_different_sizes_are_refused_by_the_cache(tree, tmp_path):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tree / TRAIN)
    save_label(tree / LABEL, np.zeros((30, 40), np.uint8))
    with pytest.raises(UserError, match=r"0001TP_000030.png: \(30, 40\) pixels .* one size"):
        open_all(tree, True, tmp_path)


@pytest.mark.parametrize("file", [TRAIN, LABEL])
def test_file_when_cut_anywhere_is_refused_or_whole(tree, file):
    frame = list_frames(tree)[1]
    image, label = read(frame, 12)
    whole = (tree / file).read_bytes()
    refused = 0
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        (tree / file).write_bytes(whole[:length])
        try:
            again = read(frame, 12)
        except UserError:
            refused += 1
        else:  # only the closing chunk, which holds no pixels, can be missed
            assert length >= len(whole) - 16
            assert (again[0] == image).all()
            assert (again[1] == label).all()
    assert refused > 50


LABELS = {
    "palette": save_palette,
    "palette of 4 bits": lambda path, label: save_palette(path, label, bits=4),
    "interlaced": save_interlaced,
    "interlaced palette": lambda path, label: save_interlaced(path, label, PALETTE.tobytes()),
}


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("kind", LABELS)
def test_label_of_another_kind_when_read_gives_its_indices(tree, tmp_path, kind, cached):
    plain = open_all(tree, False, tmp_path)
    for frame in list_frames(tree):
        before = frame.label.read_bytes()
        LABELS[kind](frame.label, read(frame, 12)[1])
        assert before[:29] != frame.label.read_bytes()[:29]  # PNG's bits, colour type and interlacing
    for (_, label), (_, expected) in zip(open_all(tree, cached, tmp_path), plain, strict=True):
        assert (label == expected).all()


def test_interlaced_frame_when_read_has_the_pixels_of_a_plain_one(tree):
    frame = list_frames(tree)[1]
    image = read(frame, 12)[0]
    save_interlaced(frame.image, image)
    assert (read(frame, 12)[0] == image).all()


def test_tree_when_not_the_whole_of_camvid_is_warned_of(tree, tmp_path, caplog):
    CamVid(tree, SIZE, tmp_path / "cache").open()
    assert "7 frames instead of CamVid's 701" in caplog.text


def test_label_when_resized_keeps_to_its_values():
    label = np.array([[3, 7], [11, 0]], np.uint8).repeat(18, 0).repeat(24, 1)
    for size in ((24, 32), (72, 96), (35, 47)):
        resized = resize_label(label, size)
        assert resized.shape == size
        assert set(np.unique(resized)) == {0, 3, 7, 11}


def test_label_when_halved_takes_every_second_pixel_centre():
    label = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert (resize_label(label, (4, 4)) == label[1::2, 1::2]).all()


def test_image_when_halved_averages_areas():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    areas = image.reshape(4, 2, 4, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(resize_image(image, (4, 4)) - areas).max() <= 0.5


@pytest.mark.parametrize("name", ["street", "0001TP_", "_006690", "0001TP_x00001"])
def test_seconds_when_asked_of_another_name_says_so(name):
    with pytest.raises(UserError, match="not a CamVid frame name"):
        seconds(name)


def test_classes_when_paired_with_colours_are_twelve_and_distinct():
    assert len(CLASSES) == len(PALETTE) == len({tuple(colour) for colour in PALETTE.tolist()}) == 12
    assert PALETTE[CLASSES.index("Unlabelled")].tolist() == [0, 0, 0]
    assert PALETTE[CLASSES.index("Bicyclist")].tolist() == [0, 128, 192]
    assert len(CLASSES) <= IGNORE


def test_manifest_when_read_is_the_release():
    rows = read_manifest(MANIFEST)
    assert [sum(row.split == split for row in rows) for split in ("train", "val", "test")] == [367, 101, 233]
    assert len({(row.split, row.name) for row in rows}) == 701
    assert digest(rows) == digest(reversed(rows))
    assert digest(rows).startswith("e7104333c5716b10")


def test_manifest_when_written_reads_back(tmp_path):
    rows = read_manifest(MANIFEST)[:5]
    write_manifest(tmp_path / "manifest.tsv", rows, "five frames")
    assert read_manifest(tmp_path / "manifest.tsv") == rows


def test_manifest_when_damaged_names_the_line(tmp_path):
    (tmp_path / "manifest.tsv").write_text("# digests\ntrain\tname\n")
    with pytest.raises(UserError, match=r"manifest\.tsv:2: 4 columns expected, 2 found"):
        read_manifest(tmp_path / "manifest.tsv")
