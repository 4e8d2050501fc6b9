"""VGG16 as an encoder, from the original weights."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from msaseg.nets.blocks import check_choice
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.encoders.weights import load_strictly, pretrained_state, torchvision_download, without_head

VGG16_RELEASE = "IMAGENET1K_FEATURES"
"""Torchvision's name of VGG16's original weights; its IMAGENET1K_V1 is another training."""


VGG16_FIRST_WEIGHT = 0.4800
"""Their first number, for inputs from 0 to 255; no other training shares it."""


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
            expect; None is no. The first kernels keep the scale of `std`, so Adam moves them a 58th as far.
        release: which training "imagenet" means; there is one.
        width: channels of the first stage; all others are multiples of it. None is VGG16's 64.

    Raises:
        ValueError: for weights that cannot be had or are another net's or release's.

    Source: paper, section 3.2.
    """

    layout = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
    """Convolutions of each stage, and their channels as a multiple of the first stage's."""

    def __init__(
        self,
        weights: str = "imagenet",
        weights_dir: str | None = None,
        dilated: bool = False,
        tutorial_input: bool | None = None,
        release: str = VGG16_RELEASE,
        width: int | None = None,
    ) -> None:
        check_choice("release", release, (VGG16_RELEASE,))
        mean, std = (0.48502, 0.45796, 0.40760), (0.229, 0.224, 0.225)
        widths = [(width or 64) * multiple for _, multiple in self.layout]
        super().__init__(widths[1:], mean, std)
        self.features = nn.Sequential(*self._layers(widths))
        state, self.weights_source = pretrained_state(
            "vgg16_features", weights, weights_dir, torchvision_download("VGG16_Weights", release), release
        )
        if state is not None:
            state = without_head(state, "classifier.")
            load_strictly(self, state, self.weights_source, "vgg16_features")
            if weights == "imagenet":
                self._scale_first_layer()
        if tutorial_input:
            if state is None:
                self._first_kernels().mul_(255 * self.std)  # as those that are loaded, and those of a checkpoint
            self.mean.fill_(0.5)
            self.std.mul_(127.5)
        if dilated:
            for layer in self.features[24:]:
                if isinstance(layer, nn.Conv2d):
                    layer.dilation = layer.padding = (2, 2)

    def _first_kernels(self) -> Tensor:
        kernels = self.features[0].weight
        assert isinstance(kernels, Tensor)
        return kernels.data

    def _scale_first_layer(self) -> None:
        """Bring the first kernels from inputs up to 255, if they are for such, to inputs of deviation `std`."""
        kernels = self._first_kernels()
        first = kernels.flatten()[0].item()
        if math.isclose(first, VGG16_FIRST_WEIGHT, rel_tol=1e-2):
            kernels *= 255 * self.std
            first = kernels.flatten()[0].item()
        if not math.isclose(first, 255 * self.std.flatten()[0].item() * VGG16_FIRST_WEIGHT, rel_tol=1e-2):
            raise ValueError(
                f"{self.weights_source}: not VGG16's original release ({VGG16_RELEASE}), which `imagenet` means: take "
                f"that file, or name this one by its path, model.net.encoder.weights=FILE"
            )

    def _layers(self, widths: Sequence[int]) -> list[nn.Module]:
        """Torchvision's `vgg16().features`, number for number, without making its large classifier."""
        layers: list[nn.Module] = []
        channels = 3
        for (convolutions, _), width in zip(self.layout, widths, strict=True):
            for _ in range(convolutions):
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
