"""`python -m msaseg.export`: a file that computes what the net does, for images of any size, or none."""

import json
from importlib.util import find_spec
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from command_line import PLAIN, assert_one_line
from PIL import Image
from trained import leave_checkpoint

from msaseg.cli.extras import ONNX
from msaseg.config import CONF
from msaseg.data.frames import resize_image
from msaseg.data.synthetic.scene import draw
from msaseg.export import command
from msaseg.export.__main__ import main
from msaseg.export.formats import FORMATS
from msaseg.export.metadata import KEY
from msaseg.export.parity import LONGEST, Parity, compare, frames
from msaseg.export.program import prepared, program
from msaseg.export.stretching import stretch
from msaseg.predict.predictor import Predictor
from msaseg.training.restore import restore

ONNX = pytest.mark.skipif(
    not all(find_spec(name) for name in ONNX), reason="the extra `export` is not installed: pip install -e '.[export]'"
)
EACH = ["torchscript", "pt2", pytest.param("onnx", marks=ONNX)]
SIZES = [(65, 97), (96, 128), (130, 100)]


def pixels(size, count=1, seed=1):
    scenes = [draw(np.random.default_rng(seed + number), size)[0] for number in range(count)]
    return torch.from_numpy(np.stack(scenes)).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(autouse=True, scope="module")
def programs_opened_once():
    """To open a program takes seconds: of one content the command and the test have one."""
    read, known = FORMATS["pt2"].open, {}

    def opened(path):
        content = path.read_bytes()
        if content not in known:
            known.clear()  # the slow tests' programs would fill the memory
            known[content] = read(path)
        return known[content]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FORMATS, "pt2", FORMATS["pt2"]._replace(open=opened))
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a small net that predicts more than one class."""
    path = tmp_path_factory.mktemp("trained") / "weights.ckpt"
    leave_checkpoint(path, *PLAIN, seen=pixels((64, 96), 4))
    return path


@pytest.fixture
def export(checkpoint, tmp_path):
    """Call the command; return its status and the file that it was to write."""

    def call(name="torchscript", *words, checkpoint=checkpoint):
        output = tmp_path / "out" / f"net{FORMATS[name].suffix}"
        output.parent.mkdir(exist_ok=True)
        return main([str(checkpoint), f"--out={output}", f"--format={name}", *words]), output

    return call


def facts_of(name, path):
    """Read a file's metadata as someone without msaseg would."""
    if name == "onnx":
        import onnx

        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    with ZipFile(path) as archive:  # as both of torch's formats are
        (entry,) = (each for each in archive.namelist() if each.endswith(f"/extra/{KEY}"))
        return json.loads(archive.read(entry))


@pytest.mark.parametrize("name", EACH)
def test_file_of_native_size_chooses_the_classes_of_the_net_and_says_what_it_is(export, checkpoint, capsys, name):
    status, output = export(name, "--size=native")
    assert status == 0
    told = capsys.readouterr().out
    assert "of 4 synthetic scenes" in told
    assert "100.0000 % of the labels agree" in told
    facts = facts_of(name, output)
    assert told.endswith(f"{output}: {facts['size']}\n")
    assert "the net sees images as they are; trained at 64x96" in told
    run, restored = FORMATS[name].open(output), restore(checkpoint)
    for count, size in enumerate(SIZES, start=1):
        labels, logits = run(pixels(size, count))
        with torch.inference_mode():
            expected = restored.logits(pixels(size, count))
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
        assert labels.dtype == torch.uint8
        assert torch.equal(labels.long(), logits.argmax(1))
        assert len(labels.unique()) > 1
    plain = {key: json.loads(facts[key]) if name == "onnx" else facts[key] for key in ("classes", "palette", "mean")}
    assert plain["classes"] == list(restored.classes)
    assert plain["palette"][0] == [128, 128, 128]  # SegNet's sky
    assert len(plain["palette"]) == len(restored.classes)
    assert plain["mean"] == restored.mean_std[0]
    assert facts["config_hash"] == restored.config_hash


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Of a net that has learnt the synthetic streets, at 64x96."""
    scenes = [draw(np.random.default_rng(seed), (64, 96)) for seed in range(32)]
    images = torch.from_numpy(np.stack([image for image, _ in scenes])).permute(0, 3, 1, 2)
    path = tmp_path_factory.mktemp("taught") / "weights.ckpt"
    leave_checkpoint(path, *PLAIN, taught=(images, torch.from_numpy(np.stack([label for _, label in scenes]))))
    return path


def pixel_accuracy(run, size):
    """Score a program on synthetic streets that it has not seen; in percent."""
    right = known = 0
    for seed in range(1000, 1008):
        image, label = draw(np.random.default_rng(seed), size)
        labels = run(torch.from_numpy(image).permute(2, 0, 1)[None].contiguous())[0][0].numpy()
        right += (labels == label)[label < 11].sum()
        known += (label < 11).sum()
    return 100 * right / known


@pytest.fixture(scope="module", params=EACH)
def resizing(request, taught, tmp_path_factory):
    """A file of each format as the command writes it by default."""
    output = tmp_path_factory.mktemp("out") / f"net{FORMATS[request.param].suffix}"
    assert main([str(taught), f"--out={output}", f"--format={request.param}"]) == 0
    assert "images of any size are brought to 64x96" in facts_of(request.param, output)["size"]
    return FORMATS[request.param].open(output)


def test_file_when_fed_frames_of_another_size_is_as_right_as_at_the_trained_one(resizing, taught):
    restored = restore(taught)
    own = pixel_accuracy(lambda images: restored.logits(images).argmax(1)[None], (64, 96))
    assert own > 60
    for size in [(128, 192), (192, 288), (255, 401)]:
        assert pixel_accuracy(resizing, size) > own - 1
    assert pixel_accuracy(program(restored, True, trained=False), (192, 288)) < own - 15  # what this is about


def test_file_when_fed_any_number_of_images_of_any_size_predicts_what_predict_does(resizing, taught):
    predictor = Predictor(restore(taught), native=False)
    for count, size in enumerate([(64, 96), (100, 130), (2, 2), (30, 300)], start=1):
        images = pixels(size, count)
        maps = predictor.logits([predictor.prepare("", image.permute(1, 2, 0).numpy()) for image in images])
        expected = np.stack([predictor.labels(each, size) for each in maps])
        assert (resizing(images)[0].numpy() == expected).mean() > 0.99  # predict rounds the resized image to uint8


@pytest.mark.parametrize("size", [(360, 480), (121, 163), (120, 160), (65, 97), (300, 100), (50, 300)])
def test_stretching_in_a_graph_is_that_of_training_but_for_its_rounding(size):
    image = draw(np.random.default_rng(0), size)[0]
    stretched = stretch(torch.from_numpy(image).permute(2, 0, 1)[None].float(), (120, 160))[0].permute(1, 2, 0)
    assert np.abs(stretched.numpy() - resize_image(image, (120, 160))).max() < 0.8


def test_processing_outside_takes_normalised_floats_and_gives_logits_alone(export, checkpoint):
    status, output = export("torchscript", "--processing=outside", "--size=native")
    assert status == 0
    facts, images = facts_of("torchscript", output), pixels((70, 90), 2)
    mean, std = (torch.tensor(facts[key]).view(3, 1, 1) for key in ("mean", "std"))
    (logits,) = FORMATS["torchscript"].open(output)((images / 255 - mean) / std)
    with torch.inference_mode():
        torch.testing.assert_close(logits, restore(checkpoint).logits(images), atol=1e-4, rtol=1e-4)
    assert "by the caller" in facts["normalisation"]


@ONNX
def test_onnx_model_names_inputs_outputs_and_their_sizes(export):
    import onnxruntime

    status, output = export("onnx")
    assert status == 0
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    (images,), outputs = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type) == ("images", "tensor(uint8)")
    assert images.shape == ["batch", 3, "height", "width"]
    assert [(each.name, each.shape) for each in outputs] == [
        ("labels", ["batch", "height", "width"]),
        ("logits", ["batch", 11, "height", "width"]),
    ]


def test_file_lies_beside_the_checkpoint_unless_told(tmp_path, capsys):
    leave_checkpoint(tmp_path / "weights.ckpt", *PLAIN)
    assert main([str(tmp_path / "weights.ckpt"), "--format=torchscript"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"weights.ckpt", "weights.pt"}
    assert f"\n{tmp_path / 'weights.pt'}: " in capsys.readouterr().out


def test_frames_of_a_folder_are_what_is_compared(export, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(7):
        image = pixels((70, 80 + number), seed=number)[0].permute(1, 2, 0).numpy()
        Image.fromarray(image).save(folder / f"{number}.png")
    assert export("torchscript", f"--frames={folder}")[0] == 0
    resized = 4 * 64 * 96 + 2 * 64 * 96  # each at the training size, and two in a batch
    own = sum(70 * (80 + number) for number in (0, 1, 3, 5))
    assert f"{resized + own} pixels of 4 frames" in capsys.readouterr().out
    (folder / "3.png").write_bytes(b"no image")
    assert export("torchscript", f"--frames={folder}")[0] == 2
    assert_one_line(capsys, "3.png: cannot be decoded")


def test_photograph_is_compared_at_a_size_that_takes_no_minutes(tmp_path):
    Image.new("RGB", (4000, 3000)).save(tmp_path / "a.png")
    (image,) = frames(tmp_path, (64, 96))
    assert image.shape == (LONGEST * 3 // 4, LONGEST, 3)


def test_difference_of_a_file_is_seen_and_counted(checkpoint):
    restored, images = restore(checkpoint), frames(None, (64, 96))

    def half_wrong(batch):
        logits = restored.logits(batch).clone()
        logits[:, 0, : batch.shape[2] // 2] += 100
        return logits.argmax(1), logits

    def once_undefined(batch):
        labels, logits = restored.logits(batch).argmax(1), restored.logits(batch).clone()
        logits[0, 0, 0, 0] = float("nan")
        return labels, logits

    assert not compare(once_undefined, restored, images, inside=True, trained=False).holds
    parity = compare(half_wrong, restored, images, inside=True, trained=False)
    assert parity.difference == pytest.approx(100, abs=1e-3)
    assert 0.3 < parity.agreement < 0.7
    assert not parity.holds


@pytest.mark.parametrize(
    ("difference", "agreement", "holds"), [(0.009, 1.0, True), (0.011, 1.0, False), (0.0, 0.9998, False)]
)
def test_parity_is_bounded_in_logits_and_in_labels(difference, agreement, holds):
    assert Parity(difference, 10.0, agreement, 1000).holds is holds


def test_file_that_differs_is_not_kept(export, monkeypatch, capsys):
    monkeypatch.setattr(command, "compare", lambda *_: Parity(1.0, 2.0, 0.5, 100))
    _, output = export("onnx", "--format=onx")
    output.with_suffix(".pt").write_text("the one before")
    capsys.readouterr()
    assert export()[0] == 1
    assert_one_line(capsys, "not kept")
    assert output.with_suffix(".pt").read_text() == "the one before"
    assert [path.name for path in output.parent.iterdir()] == ["net.pt"]


def test_checkpoint_is_never_replaced_by_its_own_export(checkpoint, tmp_path, capsys):
    own = tmp_path / "net.pt"
    own.write_bytes(checkpoint.read_bytes())
    assert main([str(own), "--format=torchscript"]) == 2
    assert_one_line(capsys, "net.pt: the checkpoint itself")
    assert own.read_bytes() == checkpoint.read_bytes()


def test_net_that_a_format_cannot_hold_is_named_in_one_line(export, monkeypatch, capsys):
    def refuse(_, path, __):
        path.write_text("half")
        raise TypeError("cond must be\na bool")

    monkeypatch.setitem(command.FORMATS, "pt2", FORMATS["pt2"]._replace(write=refuse))
    status, output = export("pt2")
    assert status == 2
    assert capsys.readouterr().err == "error: pt2 cannot hold msanet (cond must be a bool): write another format\n"
    assert list(output.parent.iterdir()) == []


def test_full_disk_is_one_line_and_leaves_nothing(export, monkeypatch, capsys):
    def full(_, path, __):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(command.FORMATS, "pt2", FORMATS["pt2"]._replace(write=full))
    status, output = export("pt2")
    assert status == 2
    assert_one_line(capsys, "cannot be written (No space left on device)")
    assert list(output.parent.iterdir()) == []


def test_without_the_extra_onnx_names_the_command(export, monkeypatch, capsys):
    monkeypatch.setattr("msaseg.cli.extras.find_spec", lambda name: None)
    assert export("onnx")[0] == 2
    assert_one_line(capsys, "pip install -e '.[export]'")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out=net.pt"], "--format onnx ends in .onnx"),
        (["--out=no/such/net.pt", "--format=torchscript"], "no such folder"),
        (["--out=net.pt", "--format=torchscript", "--frames=nowhere"], "no images here"),
        (["--out=net.onx", "--format=onx"], "did you mean onnx?"),
        (["--out=net.pt", "--format=torchscript", "--processing=non"], "--processing: non: choose from inside"),
    ],
)
def test_mistake_is_one_line_and_status_2(checkpoint, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("msaseg.cli.extras.find_spec", lambda name: True)
    assert main([str(checkpoint), *words]) == 2
    assert_one_line(capsys, said)
    assert list(tmp_path.iterdir()) == []


def test_folder_as_output_and_checkpoint_that_is_missing_are_one_line(export, checkpoint, tmp_path, capsys):
    (tmp_path / "out" / "net.pt").mkdir(parents=True)
    assert export()[0] == 2
    assert_one_line(capsys, "net.pt: a folder")
    assert export("pt2", checkpoint=tmp_path / "none.ckpt")[0] == 2
    assert_one_line(capsys, "none.ckpt: no such file")


@pytest.fixture(scope="module")
def padding(tmp_path_factory):
    path = tmp_path_factory.mktemp("padding") / "weights.ckpt"
    leave_checkpoint(path, *PLAIN, "model/net/encoder=tf_efficientnet_lite0", seen=pixels((64, 96), 2))
    return restore(path)


@pytest.mark.parametrize("inside", [True, False])
def test_convolutions_that_pad_as_tensorflow_does_pad_the_same_in_a_program(padding, inside):
    with torch.inference_mode():
        outputs = program(padding, inside, trained=False)(prepared(padding, pixels((70, 100)), inside))
        torch.testing.assert_close(
            outputs[-1] if inside else outputs, padding.logits(pixels((70, 100))), atol=1e-4, rtol=1e-4
        )


CANNOT = {("enet", "onnx"), ("segnet_vgg16", "onnx")}
"""Nets that unpool: another runtime rounds otherwise, and of two maxima that are all but equal takes the other."""


@pytest.mark.slow
@pytest.mark.parametrize(("processing", "size"), [("inside", "trained"), ("outside", "trained"), ("inside", "native")])
@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("model", sorted(path.stem for path in (CONF / "model").glob("*.yaml")))
def test_net_of_any_kind_is_exported_or_refused(export, tmp_path, model, name, processing, size):
    path = tmp_path / "weights.ckpt"
    leave_checkpoint(path, f"model={model}", seen=pixels((64, 96), 2))
    status, output = export(name, f"--processing={processing}", f"--size={size}", checkpoint=path)
    assert status == 0 or (status == 1 and (model, name) in CANNOT)
    assert output.exists() == (status == 0)
