"""Pretrained weights from local files: strict, and clear when they do not fit. No network."""

import urllib.error

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

from msaseg.config import compose_run, hashed_part
from msaseg.nets.encoders import timm_model
from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.encoders.timm_model import TimmEncoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.training.checkpoints import save_weights
from msaseg.training.restore import restore
from msaseg.training.trainer import build

LITE0 = "tf_efficientnet_lite0"


def saved(path, state):
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    return path


@pytest.fixture(scope="module")
def resnet_state():
    return torchvision.models.resnet18(weights=None).state_dict()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, resnet_state):
    """Random weights under the names of the real ones; `lite0` without batch norm's counters, as shipped."""
    path = tmp_path_factory.mktemp("weights")
    vgg = VGG16Encoder("none").state_dict()
    vgg["features.0.weight"][0, 0, 0, 0] = 28.03  # the mark of the original release, scaled
    saved(path / "vgg16_features.fp16.safetensors", {key: value.half() for key, value in vgg.items()})
    saved(path / "resnet18.safetensors", resnet_state)
    lite0 = timm.create_model(LITE0, pretrained=False).state_dict()
    counted = {key: value for key, value in lite0.items() if not key.endswith("num_batches_tracked")}
    saved(path / f"{LITE0}.fp16.safetensors", {key: value.half() for key, value in counted.items()})
    return path


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_folder_of_weights_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: no such folder: set paths\.weights"):
        VGG16Encoder("imagenet", str(tmp_path / "nowhere"))


def test_vgg16_state_dict_has_torchvisions_names_and_shapes():
    with torch.device("meta"):
        theirs = torchvision.models.vgg16(weights=None).features.state_dict()
        ours = VGG16Encoder("none").state_dict()
    assert {key.removeprefix("features."): value.shape for key, value in ours.items()} == {
        key: value.shape for key, value in theirs.items()
    }


def test_vgg16_from_a_folder_loads_half_precision_as_float32(folder):
    encoder = VGG16Encoder("imagenet", str(folder))
    stored = VGG16Encoder(str(folder / "vgg16_features.fp16.safetensors")).features[0].weight
    assert encoder.features[0].weight.dtype == torch.float32
    assert torch.equal(encoder.features[0].weight, stored)
    assert encoder.weights_source.startswith("IMAGENET1K_FEATURES: vgg16_features.fp16.safetensors sha256:")
    assert len(encoder.weights_source.split("sha256:")[1]) == 12


@pytest.fixture
def unscaled(folder):
    """The original release as torchvision has it, for inputs from 0 to 255, and the scaled one."""
    scaled = load_file(folder / "vgg16_features.fp16.safetensors")
    scaled = {key: value.float() for key, value in scaled.items()}
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return scaled | {"features.0.weight": scaled["features.0.weight"] / (255 * std)}, scaled


def test_vgg16_downloaded_is_the_original_release_and_scaled_to_our_input(monkeypatch, unscaled):
    asked = []
    enum = torchvision.models.VGG16_Weights
    monkeypatch.setattr(enum, "get_state_dict", lambda self, **_: asked.append(self) or dict(unscaled[0]))
    encoder = VGG16Encoder("imagenet")
    assert asked == [enum.IMAGENET1K_FEATURES]
    assert encoder.weights_source == "IMAGENET1K_FEATURES: torchvision VGG16_Weights"
    torch.testing.assert_close(encoder.features[0].weight.data, unscaled[1]["features.0.weight"])


def test_vgg16_of_another_training_is_not_what_imagenet_means(tmp_path, unscaled):
    other = dict(unscaled[1])
    other["features.0.weight"] = other["features.0.weight"] * 0.5
    saved(tmp_path / "vgg16_features.safetensors", other)
    with pytest.raises(ValueError, match="not VGG16's original release") as error:
        VGG16Encoder("imagenet", str(tmp_path))
    assert "vgg16_features.safetensors" in one_line(error)
    by_path = VGG16Encoder(str(tmp_path / "vgg16_features.safetensors"))
    assert by_path.weights_source.startswith("vgg16_features.safetensors sha256:")


def test_vgg16_with_the_tutorials_input_sees_the_pixels_as_the_tutorial_feeds_them(folder, unscaled):
    encoder = VGG16Encoder("imagenet", str(folder), tutorial_input=True)
    images = torch.rand(1, 3, 8, 8)
    theirs = nn.functional.conv2d(images * 255 / 127.5 - 1, unscaled[0]["features.0.weight"], padding=1)
    ours = nn.functional.conv2d(encoder.normalise(images), encoder.features[0].weight, padding=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", ["fcn8_tutorial", "fcn8_vgg16", "bisenet_resnet18", "msanet"])
def test_net_from_pretrained_weights_when_reopened_without_them_computes_the_same(folder, tmp_path, model):
    config = compose_run([f"model={model}", "protocol=laptop", "protocol.fc_channels=8", f"paths.weights={folder}"])
    module = build(config, "model").eval()
    save_weights(module, hashed_part(config), tmp_path / "weights.ckpt")
    images = torch.randint(256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(restore(tmp_path / "weights.ckpt").logits(images), module(images))


def test_vgg16_normalises_a_mean_coloured_image_to_zero():
    encoder = VGG16Encoder("none", width=4)
    image = torch.tensor([0.48502, 0.45796, 0.40760]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(encoder.normalise(image), torch.zeros(1, 3, 4, 4))
    assert not {"mean", "std"} & set(encoder.state_dict())


def test_resnet18_from_a_classifiers_file_matches_torchvisions_layers(folder, resnet_state):
    encoder = ResNet18Encoder("imagenet", str(folder)).eval()
    theirs = torchvision.models.resnet18(weights=None)
    theirs.load_state_dict(resnet_state)
    theirs.eval()
    images = torch.rand(1, 3, 64, 64)
    x = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        without_head = nn.Sequential(*list(theirs.children())[:-2])
        torch.testing.assert_close(encoder(images)[3], without_head(x))


def test_timm_from_a_classifiers_file_drops_the_head_and_nothing_else(folder):
    encoder = TimmEncoder(LITE0, "imagenet", str(folder))
    assert encoder.channels == (24, 40, 112, 320)
    assert encoder.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    stored = TimmEncoder(LITE0, str(folder / f"{LITE0}.fp16.safetensors")).net.state_dict()
    assert all(torch.equal(value, stored[key]) for key, value in encoder.net.state_dict().items())


def test_timm_model_whose_feature_names_differ_from_its_classifiers_loads(tmp_path):
    # timm renames `stages.0` to `stages_0` in this one's feature model.
    state = timm.create_model("convnext_atto", pretrained=False).state_dict()
    path = saved(tmp_path / "convnext_atto.safetensors", state)
    encoder = TimmEncoder("convnext_atto", str(path))
    key = "blocks.0.conv_dw.weight"
    assert torch.equal(encoder.net.state_dict()[f"stages_0.{key}"], state[f"stages.0.{key}"])


def test_narrow_vgg16_has_its_layers_and_the_same_share_of_channels_in_each():
    encoder = VGG16Encoder("none", width=4)
    assert [tuple(maps.shape[1:]) for maps in encoder(torch.rand(1, 3, 64, 96))] == [
        (8, 16, 24), (16, 8, 12), (32, 4, 6), (32, 2, 3)
    ]  # fmt: skip
    assert encoder.channels == (8, 16, 32, 32)
    with torch.device("meta"):
        whole = VGG16Encoder("none")
    assert [type(layer) for layer in encoder.features] == [type(layer) for layer in whole.features]


@pytest.mark.parametrize("build", [VGG16Encoder, ResNet18Encoder, lambda w: TimmEncoder(LITE0, w)])
def test_another_nets_file_names_the_file_and_the_mend(build, tmp_path):
    state = {"conv.weight": torch.zeros(3, 3), **ConvEncoder().state_dict()}
    path = saved(tmp_path / "other.safetensors", state)
    with pytest.raises(ValueError, match=r"other\.safetensors") as error:
        build(str(path))
    assert "keys missing" in one_line(error)
    assert "MSASEG_WEIGHTS" in one_line(error)


def test_file_lacking_one_weight_is_refused(tmp_path, resnet_state):
    state = {key: value for key, value in resnet_state.items() if key != "layer2.0.bn1.running_mean"}
    path = saved(tmp_path / "resnet18.safetensors", state)
    with pytest.raises(ValueError, match=r"1 keys missing \(first: layer2.0.bn1.running_mean\)"):
        ResNet18Encoder(str(path))


def test_file_with_one_weight_of_another_shape_is_refused(tmp_path, resnet_state):
    path = saved(tmp_path / "resnet18.safetensors", {**resnet_state, "conv1.weight": torch.zeros(64, 1, 7, 7)})
    with pytest.raises(ValueError, match=r"1 keys of another shape \(first: conv1.weight\)"):
        ResNet18Encoder(str(path))


def test_timm_file_with_a_surplus_key_is_refused(tmp_path, folder):
    state = timm.create_model(LITE0, pretrained=False).state_dict()
    path = saved(tmp_path / "lite.safetensors", {**state, "surplus.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"1 keys unexpected \(first: surplus.weight\)"):
        TimmEncoder(LITE0, str(path))


@pytest.mark.parametrize("kept", [0, 5, 1000, 20_000_000])
def test_truncated_file_names_it_and_the_mend(kept, folder, tmp_path):
    path = tmp_path / "vgg16_features.safetensors"
    path.write_bytes((folder / "vgg16_features.fp16.safetensors").read_bytes()[:kept])
    with pytest.raises(ValueError, match="truncated or not a safetensors file") as error:
        VGG16Encoder("imagenet", str(tmp_path))
    assert str(path) in one_line(error)


def test_missing_file_names_its_path(tmp_path):
    with pytest.raises(ValueError, match="does not exist") as error:
        VGG16Encoder(str(tmp_path / "absent.safetensors"))
    assert str(tmp_path / "absent.safetensors") in one_line(error)


def test_pickle_instead_of_safetensors_is_refused():
    with pytest.raises(ValueError, match=r"must be imagenet, none or the path of a \.safetensors file"):
        VGG16Encoder("weights.pth")


def test_download_that_fails_names_the_mend(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torchvision.models.VGG16_Weights, "get_state_dict", no_network)
    with pytest.raises(ValueError, match="MSASEG_WEIGHTS") as error:
        VGG16Encoder("imagenet", str(tmp_path))
    assert "vgg16_features*.safetensors" in one_line(error)
    monkeypatch.setattr(timm_model, "_download_timm", no_network)
    with pytest.raises(ValueError, match=f"{LITE0}\\*.safetensors"):
        TimmEncoder(LITE0)


def test_downloaded_classifier_is_loaded_without_its_head(monkeypatch, resnet_state):
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", lambda *_, **__: resnet_state)
    encoder = ResNet18Encoder("imagenet")
    assert encoder.weights_source == "IMAGENET1K_V1: torchvision ResNet18_Weights"
    assert torch.equal(encoder.conv1.weight, resnet_state["conv1.weight"])


def test_unknown_timm_name_is_named():
    with pytest.raises(ValueError, match="'resnet1800' is not a timm model"):
        TimmEncoder("resnet1800", "none")


def test_timm_model_without_the_four_strides_is_refused():
    with pytest.raises(ValueError, match=r"vit_tiny_patch16_224 has strides \[16"):
        TimmEncoder("vit_tiny_patch16_224", "none")
