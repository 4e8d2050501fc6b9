"""What every net promises to what trains, measures and exports it."""

from torch import Tensor, nn

from msaseg.nets.blocks import STRIDE
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.encoders.untrained import untrained


class SegmentationNet(nn.Module):
    """The contract: a net inherits this class, and its test `NetContract`.

    `forward` does not normalise (the encoder does) and applies no softmax (losses take logits); it leaves its input
    unchanged. It pads before all else and crops after all else (`blocks.pad`, `blocks.crop`). Every parameter gets a
    gradient; what an argument switches off is not built.

    Shape:
        images: (N, 3, H, W), float RGB in [0, 1], any H and W >= 64.
        returns: logits (N, num_classes, H, W). A net with auxiliaries takes `auxiliary=True`: then also a dict of
            them, maps of the images' size. Without the flag they cost nothing.

    Args:
        encoder: the part that weights may be loaded into. A name means one without (`encoders.untrained`), None
            that there is no such part, or that the net makes it itself.

    Attributes:
        auxiliaries: names of the outputs that only training uses.
        padded_to: H and W are padded to multiples of it; 1 if every size fits as it is.
        weights_source: what was loaded into `encoder` (`Encoder.weights_source`). If not "none", it trains at
            `encoder_lr`, the rest of the net at `lr`.

    Raises:
        ValueError: a wrong argument; one line that names it, the allowed values and the one given.
    """

    auxiliaries: tuple[str, ...] = ()
    padded_to: int = STRIDE
    encoder: nn.Module | None

    def __init__(self, encoder: Encoder | str | None = None) -> None:
        super().__init__()
        chosen = untrained(encoder) if isinstance(encoder, str) else encoder
        self.encoder = chosen
        self.weights_source = "none" if chosen is None else chosen.weights_source

    def all_outputs(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the logits and every auxiliary output."""
        outputs: tuple[Tensor, dict[str, Tensor]]
        outputs = self(images, auxiliary=True) if self.auxiliaries else (self(images), {})
        return outputs

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that weights were loaded into: all of the encoder, or none."""
        return [] if self.encoder is None or self.weights_source == "none" else list(self.encoder.parameters())
