"""The multi-scale spatial attention network: title, Fig. 3, Table 1 and Eq. 1-2 of the paper."""

from collections.abc import Sequence

from torch import Tensor

from msaseg.nets.blocks import check_choice, crop, pad
from msaseg.nets.encoders.encoder import Encoder
from msaseg.nets.msanet.context import ContextModule
from msaseg.nets.msanet.decoder import FINEST, Decoder
from msaseg.nets.msanet.fusion import COARSEST, MultiScaleFusion
from msaseg.nets.msanet.pooling import SpatialPooling
from msaseg.nets.net import SegmentationNet


class MSANet(SegmentationNet):
    """Encoder, spatial pooling, multi-scale fusion, context, decoder with spatial attention.

    With fusion "none" a decoder sees the coarsest fused map only. What it could not reach is not built
    then: the fused maps of finer strides, the projections that feed only those, and the context module,
    which sits on the stride-8 map. So no variant carries parameters without a gradient; and so "none" against
    "concat" compares three things at once. "context" and "sum", which the paper does not have, tell them apart.

    A stride-64 map of an input of 64x64 has one position: training then needs two images a batch or
    more, for batch norm.

    Shape:
        images: (N, 3, H, W), RGB in [0, 1], any H and W >= 64; padded to multiples of 32 inside.
        returns: (N, num_classes, H, W) logits; with `auxiliary=True` also a dict, {"boundary": (N, 1, H, W)
            logits} for two branches and empty for one. Without the flag the second branch costs nothing.

    Args:
        num_classes: of the segmentation.
        encoder: yields maps at strides 4, 8, 16 and 32.
        width: channels of every projected, fused and upsampled map.
        num_poolings: N of Table 2, 0 to 5. With 0 there is no map at stride 64 and the decoder starts at 32.
        branches: 1 for segmentation; 2 adds a parallel decoder of the same form for class boundaries.
        fusion: "concat" joins the fused encoder map of each stride, 32 to 8, to the decoder's; "sum" projects the same
            maps by 1x1 and adds them; "context" concatenates only the one of stride 8, behind the context module;
            "none" joins none.
        attention_strides: of the decoder maps that pass spatial attention; empty for none.

    Raises:
        ValueError: names the argument, its allowed values and the one given.

    Source: paper, Fig. 3, Tables 2 and 3.
    """

    encoder: Encoder

    def __init__(
        self,
        num_classes: int,
        encoder: Encoder | str,
        width: int = 64,
        num_poolings: int = 5,
        branches: int = 2,
        fusion: str = "concat",
        attention_strides: Sequence[int] = (16, 8),
    ) -> None:
        super().__init__(encoder)
        start = COARSEST if num_poolings > 0 else COARSEST // 2
        check_choice("num_poolings", num_poolings, (0, 1, 2, 3, 4, 5))
        check_choice("branches", branches, (1, 2))
        check_choice("fusion", fusion, ("none", "context", "sum", "concat"))
        for stride in attention_strides:
            check_choice("attention_strides", stride, tuple(s for s in (64, 32, 16, 8) if s <= start))
        self.auxiliaries = ("boundary",) if branches == 2 else ()
        joined = {"none": (), "context": (FINEST,)}.get(fusion, (32, 16, FINEST))
        self.pooling = SpatialPooling(self.encoder.channels, width, num_poolings, {start, *joined})
        self.fusion = MultiScaleFusion(width, self.pooling.maps_per_stride)
        self.context = ContextModule(width) if joined else None
        skips = dict.fromkeys(joined, width)
        if self.context is not None:
            skips[FINEST] = self.context.out_channels
        self.decoder = Decoder(num_classes, width, start, skips, attention_strides, fusion == "sum")
        self.boundary = Decoder(1, width, start, skips, attention_strides, fusion == "sum") if branches == 2 else None

    def forward(self, images: Tensor, auxiliary: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Follow Fig. 3 from left to right."""
        padded = pad(images)
        size = (padded.shape[-2], padded.shape[-1])
        fused = self.fusion(self.pooling(self.encoder(padded)))
        if self.context is not None:
            fused[FINEST] = self.context(fused[FINEST])  # (N, 32, H/8, W/8)
        logits = crop(self.decoder(fused, size), images)
        if not auxiliary:
            return logits
        if self.boundary is None:
            return logits, {}
        return logits, {"boundary": crop(self.boundary(fused, size), images)}
