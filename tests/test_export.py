"""`python -m msaseg.export`: a file that computes what the net does, at any size, or none."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from trained import leave_checkpoint

from msaseg.export import __main__ as command
from msaseg.export.formats import FORMATS, open_pt2, open_torchscript
from msaseg.export.metadata import KEY
from msaseg.export.parity import Parity
from msaseg.export.program import Program
from msaseg.restoring import restore

ONNX = all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
SIZES = [(65, 97), (96, 128), (130, 100)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "weights.ckpt"
    seen = torch.randint(0, 256, (4, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    leave_checkpoint(path, seen=seen)
    return path


def pixels(size, count=1):
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "opened"), [("torchscript", open_torchscript), ("pt2", open_pt2)])
def test_exported_file_takes_any_size_and_chooses_the_classes_of_the_net(checkpoint, tmp_path, capsys, name, opened):
    output = tmp_path / f"net{FORMATS[name].suffix}"
    assert command.main([f"checkpoint={checkpoint}", f"output={output}", f"format={name}"]) == 0
    assert "100.0000 % of the labels agree" in capsys.readouterr().out
    run, restored = opened(output), restore(checkpoint)
    for size in SIZES:
        labels, logits = run(pixels(size, 3))
        with torch.inference_mode():
            expected = restored.logits(pixels(size, 3))
        torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-3)
        assert labels.dtype == torch.uint8
        assert torch.equal(labels.long(), logits.argmax(1))


def test_processing_outside_takes_floats_and_gives_logits_alone(checkpoint, tmp_path):
    output = tmp_path / "net.pt"
    words = [f"checkpoint={checkpoint}", f"output={output}", "format=torchscript", "processing=outside"]
    assert command.main(words) == 0
    (logits,) = open_torchscript(output)(pixels((70, 90)) / 255)
    with torch.inference_mode():
        torch.testing.assert_close(logits, restore(checkpoint).logits(pixels((70, 90))), atol=1e-3, rtol=1e-3)


def test_file_says_what_it_is(checkpoint, tmp_path):
    output = tmp_path / "net.pt"
    assert command.main([f"checkpoint={checkpoint}", f"output={output}", "format=torchscript"]) == 0
    extra = {KEY: ""}
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.load(output, _extra_files=extra)
    facts, restored = json.loads(extra[KEY]), restore(checkpoint)
    assert facts["classes"] == list(restored.classes)
    assert facts["config_hash"] == restored.config_hash
    assert len(facts["palette"]) == len(facts["classes"])
    assert (facts["mean"], facts["std"]) == restored.mean_std


@pytest.mark.skipif(not ONNX, reason="the extra `export` is not installed")
def test_onnx_model_runs_in_onnx_runtime_at_any_size(checkpoint, tmp_path):
    import onnxruntime

    output = tmp_path / "net.onnx"
    assert command.main([f"checkpoint={checkpoint}", f"output={output}"]) == 0
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    restored = restore(checkpoint)
    for size in SIZES:
        labels, logits = session.run(None, {"images": pixels(size, 2).numpy()})
        with torch.inference_mode():
            expected = restored.logits(pixels(size, 2)).numpy()
        np.testing.assert_allclose(logits, expected, atol=1e-3, rtol=1e-3)
        assert (labels == expected.argmax(1)).mean() > 0.9999
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == list(restored.classes)
    assert facts["config_hash"] == restored.config_hash


def test_without_the_extra_onnx_names_the_command(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("msaseg.export.formats.find_spec", lambda name: None)
    assert command.main([f"checkpoint={checkpoint}", f"output={tmp_path / 'net.onnx'}"]) == 2
    assert "pip install -e '.[export]'" in capsys.readouterr().err


def test_file_that_differs_is_not_kept(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "compare", lambda *_: Parity(1.0, 2.0, 0.5, 100))
    output = tmp_path / "net.pt"
    output.write_text("the one before")
    assert command.main([f"checkpoint={checkpoint}", f"output={output}", "format=torchscript"]) == 1
    assert "not kept" in capsys.readouterr().err
    assert output.read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]


def test_net_that_a_format_cannot_hold_is_named_in_one_line(checkpoint, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise TypeError("cond must be\na bool")

    monkeypatch.setitem(command.FORMATS, "pt2", FORMATS["pt2"]._replace(write=refuse))
    assert command.main([f"checkpoint={checkpoint}", f"output={tmp_path / 'net.pt2'}", "format=pt2"]) == 2
    assert capsys.readouterr().err == ("error: pt2 cannot hold a msanet (cond must be a bool): write another format\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("difference", "agreement", "holds"), [(0.009, 1.0, True), (0.011, 1.0, False), (0.0, 0.9998, False)]
)
def test_parity_is_bounded_in_logits_and_in_labels(difference, agreement, holds):
    assert Parity(difference, 10.0, agreement, 1000).holds is holds


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["output=net.pt"], "format=onnx ends in .onnx"),
        (["output=no/such/net.pt", "format=torchscript"], "no such folder"),
        (["output=net.pt", "format=torchscript", "frames=nowhere"], "no images here"),
        (["output=net.onx", "format=onx"], "format"),
    ],
)
def test_mistake_is_one_line_and_status_2(checkpoint, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("msaseg.export.formats.find_spec", lambda name: True)
    assert command.main([f"checkpoint={checkpoint}", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (95, 127)])
def test_padding_that_is_always_there_changes_nothing(checkpoint, size):
    net = restore(checkpoint).net
    images = pixels(size) / 255
    with torch.inference_mode():
        torch.testing.assert_close(Program(net, inside=False)(images), net(images), atol=1e-5, rtol=1e-4)
