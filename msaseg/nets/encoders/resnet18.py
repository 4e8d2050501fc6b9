"""ResNet-18 as an encoder."""

from torch import Tensor

from msaseg.nets.blocks import check_choice
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.encoders.weights import load_strictly, pretrained_state, torchvision_download, without_head

RESNET18_RELEASE = "IMAGENET1K_V1"
"""Torchvision's name of the ResNet-18 weights that the field uses."""


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
        from torchvision.models import resnet18  # a second to load, which a net without it is spared

        net = resnet18(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        state, self.weights_source = pretrained_state(
            "resnet18", weights, weights_dir, torchvision_download("ResNet18_Weights", release), release
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
