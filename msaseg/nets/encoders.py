"""Encoders: four feature maps at strides 4, 8, 16 and 32 of an RGB image."""

import itertools
import math
import re
from collections.abc import Callable, Sequence

import timm
import torch
import torchvision
from torch import Tensor, nn

from msaseg.nets.blocks import check_choice, conv_bn_relu, separable_conv_bn_relu
from msaseg.nets.weights import State, load_strictly, pretrained_state, without_head

STRIDES = (4, 8, 16, 32)

VGG16_RELEASE = "IMAGENET1K_FEATURES"
"""Torchvision's name of VGG16's original weights; its IMAGENET1K_V1 is another training."""

RESNET18_RELEASE = "IMAGENET1K_V1"
"""Torchvision's name of the ResNet-18 weights that the field uses."""

VGG16_FIRST_WEIGHT = 0.4800
"""Their first number, for inputs from 0 to 255; no other training shares it."""


class Encoder(nn.Module):
    """What every encoder has in common: it normalises its input itself.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], H and W multiples of 32.
        returns: four maps, map i of (N, channels[i], H / s, W / s) with s = 4, 8, 16, 32.

    Args:
        channels: of the four maps.
        mean: per colour, of the images that the weights were trained on.
        std: per colour, likewise.

    `weights_source` says what was loaded: "none", a file with its digest, or a download's name.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: Sequence[int], mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.channels: tuple[int, int, int, int] = (first, second, third, fourth)
        self.weights_source = "none"
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Bring RGB in [0, 1] to the mean and spread that the weights expect."""
        return (images - self.mean) / self.std


class VGG16Encoder(Encoder):
    """VGG16's 13 convolutions; the four maps are the outputs of pool2 to pool5.

    "imagenet" means one training, the original release (Simonyan & Zisserman 2015), which torchvision calls
    IMAGENET1K_FEATURES: the paper's framework has no other. It expects RGB from 0 to 255 less a mean; here its first
    kernels are scaled to inputs of deviation `std`. A local file holds torchvision's keys `features.N.weight` and
    `.bias` in any precision and either scale, told apart by its first weight; a classifier in it is dropped. Without
    weights the initialisation is torchvision's (He, fan-out, zero biases).

    Args:
        weights: "imagenet", "none" or the path of a `.safetensors` file, of whatever training, in the scale of `std`.
        weights_dir: folder with `vgg16_features*.safetensors`; None downloads from torchvision.
        dilated: run conv5_1 to conv5_3 with dilation 2 and padding 2. Kernels, and so weights and strides,
            are the same: the paper's "dilated convolution in the downsampling layers", pretrained.
        tutorial_input: feed the weights what the tutorial behind section 3.2 does, RGB from -1 to 1, whatever they
            expect; None is no.
        release: which training "imagenet" means; there is one.

    Raises:
        ValueError: for weights that cannot be had or are another net's or release's.

    Source: paper, section 3.2.
    """

    widths = (2 * [64], 2 * [128], 3 * [256], 3 * [512], 3 * [512])

    def __init__(
        self,
        weights: str = "imagenet",
        weights_dir: str | None = None,
        dilated: bool = False,
        tutorial_input: bool | None = None,
        release: str = VGG16_RELEASE,
    ) -> None:
        check_choice("release", release, (VGG16_RELEASE,))
        mean, std = (0.48502, 0.45796, 0.40760), (0.229, 0.224, 0.225)
        super().__init__((128, 256, 512, 512), mean, std)
        self.features = nn.Sequential(*self._layers())
        state, self.weights_source = pretrained_state(
            "vgg16_features", weights, weights_dir, _download_torchvision("VGG16_Weights", release), release
        )
        if state is not None:
            state = without_head(state, "classifier.")
            load_strictly(self, state, self.weights_source, "vgg16_features")
            if weights == "imagenet":
                self._scale_first_layer()
        if tutorial_input:
            self.mean.fill_(0.5)
            self.std.mul_(127.5) if state is not None else self.std.fill_(0.5)
        if dilated:
            for layer in self.features[24:]:
                if isinstance(layer, nn.Conv2d):
                    layer.dilation = layer.padding = (2, 2)

    @torch.no_grad()
    def _scale_first_layer(self) -> None:
        """Bring the first kernels from inputs up to 255, if they are for such, to inputs of deviation `std`."""
        kernels = self.features[0].weight
        assert isinstance(kernels, Tensor)
        first = kernels.flatten()[0].item()
        if math.isclose(first, VGG16_FIRST_WEIGHT, rel_tol=1e-2):
            kernels *= 255 * self.std
            first = kernels.flatten()[0].item()
        if not math.isclose(first, 255 * self.std.flatten()[0].item() * VGG16_FIRST_WEIGHT, rel_tol=1e-2):
            raise ValueError(
                f"{self.weights_source}: not VGG16's original release ({VGG16_RELEASE}), which `imagenet` means: take "
                f"that file, or name this one by its path, model.net.encoder.weights=FILE"
            )

    def _layers(self) -> list[nn.Module]:
        """Torchvision's `vgg16().features`, number for number, without making its large classifier."""
        layers: list[nn.Module] = []
        channels = 3
        for stage in self.widths:
            for width in stage:
                conv = nn.Conv2d(channels, width, 3, padding=1)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # there is a bias unless told otherwise
                layers += [conv, nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        return layers

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run all layers and keep what each pooling but the first gives."""
        x = self.normalise(images)
        pooled = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                pooled.append(x)
        return pooled[1:]


class ResNet18Encoder(Encoder):
    """Torchvision's ResNet-18; the four maps are the outputs of layer1 to layer4.

    Args:
        weights: "imagenet", "none" or the path of a `.safetensors` file with torchvision's keys.
        weights_dir: folder with `resnet18*.safetensors`; None downloads from torchvision.
        release: which training "imagenet" means; there is one.

    Raises:
        ValueError: for weights that cannot be had or are another net's.
    """

    def __init__(
        self, weights: str = "imagenet", weights_dir: str | None = None, release: str = RESNET18_RELEASE
    ) -> None:
        check_choice("release", release, (RESNET18_RELEASE,))
        super().__init__((64, 128, 256, 512), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        net = torchvision.models.resnet18(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        state, self.weights_source = pretrained_state(
            "resnet18", weights, weights_dir, _download_torchvision("ResNet18_Weights", release), release
        )
        if state is not None:
            load_strictly(self, without_head(state, "fc."), self.weights_source, "resnet18")

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the stem and keep what each layer gives."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(self.normalise(images)))))
        features = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


class TimmEncoder(Encoder):
    """Any timm model that yields strides 4, 8, 16 and 32 with `features_only=True`.

    A local file is the whole classifier, as timm saves it. A key of it is dropped as part of the head if
    timm's classifier of that name has it and the feature model does not; any other surplus key is an error.

    Args:
        name: timm's, without a tag, such as "tf_efficientnet_lite0".
        weights: "imagenet", "none" or the path of a `.safetensors` file.
        weights_dir: folder with `<name>*.safetensors`; None downloads through timm.

    Raises:
        ValueError: for an unknown model, one without those strides, or weights that cannot be had or are
            another net's.
    """

    def __init__(self, name: str, weights: str = "imagenet", weights_dir: str | None = None) -> None:
        if not timm.is_model(name):
            raise ValueError(f"encoder name {name!r} is not a timm model: see timm.list_models()")
        net = timm.create_model(name, features_only=True, pretrained=False)
        reductions, widths = net.feature_info.reduction(), net.feature_info.channels()
        if not set(STRIDES) <= set(reductions):
            raise ValueError(f"encoder {name} has strides {reductions}, but 4, 8, 16 and 32 are needed")
        chosen = [reductions.index(stride) for stride in STRIDES]
        cfg = timm.get_pretrained_cfg(name)
        super().__init__([widths[i] for i in chosen], cfg.mean, cfg.std)
        self.chosen = chosen
        self.net = net
        state, self.weights_source = pretrained_state(name, weights, weights_dir, lambda: _download_timm(name))
        if state is not None:
            own = self.net.state_dict()
            load_strictly(self.net, _classifier_to_features(state, name, own), self.weights_source, name)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Pick the four strides among timm's."""
        features = self.net(self.normalise(images))
        return [features[i] for i in self.chosen]


class ConvEncoder(Encoder):
    """Four small stages learnt from scratch: for smoke runs and tests, where a second is a long time.

    A stem of stride 2, then in each stage a 3x3 convolution of stride 2 and a separable one.
    """

    def __init__(self, channels: Sequence[int] = (16, 24, 32, 48)) -> None:
        super().__init__(channels, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        widths = (self.channels[0], *self.channels)
        self.stem = conv_bn_relu(3, widths[0], stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(conv_bn_relu(coarse, fine, stride=2), separable_conv_bn_relu(fine, fine))
            for coarse, fine in itertools.pairwise(widths)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Run the stem and keep what each stage gives."""
        x = self.stem(self.normalise(images))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def _download_torchvision(enum: str, release: str) -> Callable[[], tuple[State, str]]:
    """A function that fetches a release of torchvision's ImageNet weights of that net."""
    weights = getattr(torchvision.models, enum)[release]

    def fetch() -> tuple[State, str]:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        return state, f"torchvision {enum}"

    return fetch


def _download_timm(name: str) -> tuple[State, str]:
    net = timm.create_model(name, pretrained=True)
    return net.state_dict(), f"timm {name}.{timm.get_pretrained_cfg(name).tag}"


def _classifier_to_features(state: State, name: str, own: State) -> State:
    """Rename a classifier's keys to the feature model's and drop its head's."""
    with torch.device("meta"):
        classifier = timm.create_model(name, pretrained=False).state_dict().keys()
    # timm flattens `stages.0` to `stages_0` when it cuts a model into its stages.
    origin = {key if key in classifier else re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", key): key for key in own}
    return {origin.get(key, key): value for key, value in state.items() if key in origin or key not in classifier}
