"""An encoder by its name alone."""

from collections.abc import Callable

from msaseg.nets.dfanet.xception import XceptionEncoder
from msaseg.nets.encoders.conv import ConvEncoder
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.encoders.resnet18 import ResNet18Encoder
from msaseg.nets.encoders.vgg16 import VGG16Encoder
from msaseg.nets.encoders.xception39 import Xception39Encoder

OWN: dict[str, Callable[[], Encoder]] = {
    "conv": ConvEncoder,
    "resnet18": lambda: ResNet18Encoder("none"),
    "vgg16": lambda: VGG16Encoder("none"),
    "xception39": Xception39Encoder,
    "xception_a": lambda: XceptionEncoder("A"),
    "xception_b": lambda: XceptionEncoder("B"),
}


def untrained(name: str) -> Encoder:
    """Return an encoder with random weights: nothing is read or downloaded.

    Args:
        name: one of `OWN`, or any timm model with the four strides.

    Raises:
        ValueError: there is no such encoder.

    >>> untrained("resnet18").channels
    (64, 128, 256, 512)
    """
    if name in OWN:
        return OWN[name]()
    from msaseg.nets.encoders.timm_model import TimmEncoder  # timm takes a second to load

    return TimmEncoder(name, "none")
