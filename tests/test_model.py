"""`msaseg.load`: pictures in, labels out, as the command writes them."""

import importlib
import io
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from predicting import save, scene
from trained import leave_checkpoint

import msaseg
from msaseg.classes import CLASSES, PALETTE
from msaseg.cli.errors import UserError
from msaseg.config import ROOT
from msaseg.predict import pictures, predictor
from msaseg.predict.__main__ import main
from msaseg.records import places
from msaseg.records.files import write_whole
from msaseg.training import weights_file
from msaseg.training.module import SegmentationModule
from msaseg.training.restore import restore


@pytest.fixture(scope="module")
def model(checkpoint):
    return msaseg.load(checkpoint, device="cpu")


@pytest.fixture
def photo(tmp_path):
    return save(tmp_path / "photo.png", scene(97, 131, seed=7))


def test_import_loads_nothing():
    code = "import sys, msaseg; print({'numpy', 'torch', 'hydra'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_page_about_the_use_runs_as_it_stands(checkpoint, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(checkpoint, "weights.ckpt")
    with Image.open(photo) as image:
        image.save("photo.jpg")
    page = (ROOT / "docs/usage.md").read_text(encoding="utf-8")
    known = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, known)
    assert (known["labels"].shape, known["labels"].dtype) == ((97, 131), np.uint8)
    with Image.open("overlay.jpg") as overlay:
        assert overlay.size == (131, 97)
    assert isinstance(known["module"], SegmentationModule)
    monkeypatch.setattr("msaseg.cli.command.resolve_name", lambda act: lambda options: 0)
    for command, words in re.findall(
        r"^python -m msaseg\.(predict|evaluate|export) (.*?)(?: *#.*)?$", page, re.MULTILINE
    ):
        assert importlib.import_module(f"msaseg.{command}.__main__").main(shlex.split(words)) == 0


def test_labels_are_those_that_the_command_writes(model, checkpoint, photo, tmp_path):
    labels = model.predict(str(photo))
    assert (labels.shape, labels.dtype) == ((97, 131), np.uint8)
    assert len(np.unique(labels)) > 1
    assert main([str(checkpoint), str(photo), "--out", str(tmp_path / "out"), "--device=cpu"]) == 0
    assert np.array_equal(labels, np.asarray(Image.open(tmp_path / "out/labels/photo.png")))


def test_picture_may_be_a_path_an_image_or_pixels(model, photo):
    image = Image.open(photo)
    expected = model.predict(photo)
    for picture in (str(photo), image, np.asarray(image), image.convert("RGBA")):
        assert np.array_equal(model.predict(picture), expected)
    grey = np.asarray(image.convert("L"))
    assert np.array_equal(model.predict(grey), model.predict(Image.fromarray(grey)))


def test_overlay_is_the_picture_under_the_colours_of_its_labels(model, photo):
    overlay = model.overlay(photo)
    assert isinstance(overlay, Image.Image)
    mixed = (np.asarray(Image.open(photo), float) + PALETTE[model.predict(photo)]) / 2
    assert np.abs(np.asarray(overlay) - mixed).max() <= 1


def test_native_model_sees_pictures_at_their_own_size(checkpoint, photo):
    with torch.inference_mode():
        image = torch.from_numpy(np.asarray(Image.open(photo)).copy()).permute(2, 0, 1)[None]
        expected = restore(checkpoint).logits(image).argmax(1)[0].numpy()
    assert (msaseg.load(checkpoint, "cpu", native=True).predict(photo) == expected).mean() > 0.999


def test_model_says_what_it_is(model):
    assert model.classes == CLASSES[:11]
    assert model.palette.tolist() == PALETTE[:11].tolist()
    assert model.size == (64, 96)
    assert repr(model) == "<aggregation, 11 classes, trained under smoke at (64, 96)>"


def cut_off_photo():
    whole = io.BytesIO()
    Image.new("RGB", (64, 64)).save(whole, "png")
    return Image.open(io.BytesIO(whole.getvalue()[:60]))


@pytest.mark.parametrize(
    "picture",
    [
        "none.png",
        "/dev/zero",
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.uint8(3),
        Image.new("I;16", (4, 4)),
        cut_off_photo(),
        7,
        None,
    ],
)
def test_picture_that_is_none_is_refused_in_one_line(model, picture):
    for call in (model.predict, model.overlay):
        with pytest.raises(UserError) as caught:
            call(picture)
        assert "\n" not in str(caught.value)


def test_picture_too_large_is_refused_before_it_is_decoded(model, monkeypatch, photo, checkpoint):
    monkeypatch.setattr(pictures, "LARGEST", 100 * 100)
    for picture in (photo, Image.new("RGB", (131, 97)), np.zeros((97, 131, 3), np.uint8)):
        with pytest.raises(UserError, match="97x131 pixels: a side must not be longer"):
            model.predict(picture)
    monkeypatch.undo()
    monkeypatch.setattr(predictor, "MOST_SEEN", 100 * 100)
    with pytest.raises(UserError, match="97x131 pixels: the size native takes"):
        msaseg.load(checkpoint, "cpu", native=True).predict(photo)


def test_published_weights_are_found_by_name_in_half_precision(model, checkpoint, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "PUBLISHED", tmp_path / "experiments")
    restored = restore(checkpoint)
    path = tmp_path / "experiments/weights/street.safetensors"
    write_whole(path, weights_file.to_bytes(restored.net, restored.config))
    assert path.stat().st_size < 0.6 * checkpoint.stat().st_size
    published = msaseg.load("street", device="cpu")
    assert (published.predict(photo) == model.predict(photo)).mean() > 0.99
    assert restore("street").config_hash == restored.config_hash
    with pytest.raises(UserError, match=r"^stret: no such file: .* or a published name: did you mean street\?$"):
        msaseg.load("stret")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cut off, changed or not a checkpoint"):
        msaseg.load("street")


def test_name_where_nothing_is_published_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "PUBLISHED", tmp_path)
    with pytest.raises(UserError, match=r"street: no such file: .* published name: none here"):
        msaseg.load("street")


@pytest.mark.parametrize("words", ["model=msanet", "model=icnet", "model=aggregation"])
def test_module_when_loaded_from_its_checkpoint_computes_and_trains_on(tmp_path, words):
    path = tmp_path / "weights.ckpt"
    _, left = leave_checkpoint(path, words)
    module = SegmentationModule.load_from_checkpoint(str(path))
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    assert module.training
    with torch.inference_mode():
        assert torch.equal(module.eval()(images), left(images))
    assert module.lr == left.lr
    assert module.auxiliary.keys() == left.auxiliary.keys()
    assert type(module.loss) is type(left.loss)
    module.schedule = None
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Adam)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(module.net.parameters()))
    assert all(parameter.requires_grad for parameter in module.net.parameters())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: model.update(optimizer={"_target_": "os.system", "_partial_": True}), "os.system is no part"),
        (lambda model: model.update(loss={"_target_": "torch.optim.adam.torch.load"}), "torch.load is no part"),
        (lambda model: model.pop("lr"), "lr"),
        (lambda model: model.update(lr=10**400), "int too large"),
    ],
)
def test_module_whose_recipe_is_foreign_is_refused_in_one_line(checkpoint, tmp_path, change, said):
    content = torch.load(checkpoint, weights_only=True)
    change(content["msaseg"]["config"]["model"])
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=rf"a\.ckpt: its training cannot be set up .*{said}"):
        SegmentationModule.load_from_checkpoint(tmp_path / "a.ckpt")
