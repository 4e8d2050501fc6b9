"""Fig. 3, drawn: boxes for the parts of MSANet, a measured shape on each edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from msaseg.figures.boxes import HALF, Boxes, Pen
from msaseg.figures.style import GREY, INK, PALETTE, style

ENCODER, POOLING, FUSION, CONTEXT = 0.75, 2.85, 5.25, 7.2
DECODERS = (9.1, 11.15)
WIDTH, TOP, LEVEL, BOTTOM = 12.25, 1.0, 1.1, 0.75
"""Inches: middles of the columns, width, room above, between and below the levels of stride."""

PENS = (Pen(INK), Pen(PALETTE[1], "--"))
FILLS = (GREY, PALETTE[1])
"""Of the branch that predicts, and of the one that serves training alone."""

Shape = tuple[int, int, int]
"""(channels, height, width) of one image's maps."""


@dataclass(frozen=True)
class Branch:
    """A decoder: its maps by stride.

    Args:
        start: stride of the fused map that it starts from.
        upsampled: stride to what its transposed convolution gives.
        joined: stride to that with the encoder's map beside it.
        attends: strides of the maps that pass spatial attention.
        last: (kernel, stride) of the last transposed convolution.
        full: what that gives.
        output: the same cut to the image's size.
    """

    start: int
    upsampled: Mapping[int, Shape]
    joined: Mapping[int, Shape]
    attends: Sequence[int]
    last: tuple[int, int]
    full: Shape
    output: Shape


@dataclass(frozen=True)
class Edges:
    """What passes along the edges of a MSANet; maps are by stride.

    Args:
        encoder: name of the encoder.
        poolings: N of Table 2.
        image: that comes in.
        padded: the same as the encoder gets it.
        stages: of the encoder.
        projected: the stages after their 1x1 convolution.
        pooled: every map that the poolings give.
        joined: the maps of a stride, concatenated, coarser ones resampled to the coarsest.
        fused: those mixed.
        context: what the context module makes of the finest fused map; None without one.
        branches: name to decoder; all but the first serve training alone.
    """

    encoder: str
    poolings: int
    image: Shape
    padded: Shape
    stages: Mapping[int, Shape]
    projected: Mapping[int, Shape]
    pooled: Mapping[int, Sequence[Shape]]
    joined: Mapping[int, Shape]
    fused: Mapping[int, Shape]
    context: Shape | None
    branches: Mapping[str, Branch]


@style()
def diagram(edges: Edges, title: str) -> Figure:
    """Return the diagram: strides grow downwards, data flow from left to right and up again."""
    return _Diagram(edges).draw(title)


class _Diagram:
    def __init__(self, edges: Edges) -> None:
        self.edges = edges
        self.coarser = sorted(set(edges.pooled) - set(edges.fused))
        self.levels = [1, *sorted({*edges.stages, *edges.fused})]
        self.height = TOP + LEVEL * (len(self.levels) - 1 + bool(self.coarser)) + BOTTOM
        self.sheet = Boxes(WIDTH, self.height)

    def draw(self, title: str) -> Figure:
        self.sheet.text(0.15, self.height - 0.22, title, size=11, bold=True)
        self.encoder()
        self.poolings()
        self.fusion()
        for number, name in enumerate(self.edges.branches):
            self.decoder(number, name)
        words = "On each edge: channels × height × width of one image's maps, measured in a forward pass."
        self.sheet.text(0.15, 0.2, words)
        return self.sheet.figure

    def encoder(self) -> None:
        self.sheet.text(ENCODER - 0.55, self.height - 0.58, self.edges.encoder, bold=True)
        self.sheet.box(ENCODER, self.y(1), 1.0, f"image\n{_words(self.edges.image)}")
        below, shape = self.y(1) - HALF, self.edges.padded
        for stride, maps in self.edges.stages.items():
            y = self.y(stride)
            self.sheet.arrow((ENCODER, below), (ENCODER, y + HALF))
            self.sheet.text(ENCODER + 0.07, (below + y + HALF) / 2, _words(shape))
            self.sheet.box(ENCODER, y, 1.0, f"stride {stride}", self.colour(stride))
            below, shape = y - HALF, maps

    def poolings(self) -> None:
        self.heading(POOLING, "projection and poolings")
        many = f"{self.edges.poolings} pooling{'' if self.edges.poolings == 1 else 's'} 2×2"
        for stride, maps in self.edges.projected.items():
            y, colour = self.y(stride), self.colour(stride)
            self.sheet.arrow((ENCODER + 0.5, y), (POOLING - 0.75, y))
            self.sheet.text((ENCODER + POOLING - 0.25) / 2, y + 0.1, _words(self.edges.stages[stride]), "center")
            self.sheet.box(POOLING, y, 1.5, f"1×1: {_words(maps)}\n{many}", colour)
            reached = {stride * 2**order for order in range(self.edges.poolings + 1)} & set(self.edges.pooled)
            for end in sorted({self.y(target) for target in reached}):
                self.sheet.line([(POOLING + 0.75, y), (FUSION - 0.8, end)], Pen(colour))

    def fusion(self) -> None:
        edges = self.edges
        self.heading(FUSION, "fusion")
        for stride, joined in edges.joined.items():
            self.sheet.box(FUSION, self.y(stride), 1.6, f"{_group(edges.pooled[stride])}\nconcat: {_words(joined)}")
        if self.coarser:
            coarsest, y = max(edges.fused), self.y(self.coarser[0])
            maps = [shape for stride in self.coarser for shape in edges.pooled[stride]]
            span = " to ".join(str(stride) for stride in dict.fromkeys((self.coarser[0], self.coarser[-1])))
            self.sheet.box(FUSION, y, 1.95, f"strides {span}:\n{_group(maps)}")
            self.sheet.arrow((FUSION, y + HALF), (FUSION, self.y(coarsest) - HALF))
            resampled = f"resampled to {_words(edges.pooled[coarsest][0])}"
            self.sheet.text(FUSION + 0.07, (y + self.y(coarsest)) / 2, resampled)
        if edges.context is not None:
            y = self.y(min(edges.fused))
            self.heading(CONTEXT, "context")
            self.sheet.arrow((FUSION + 0.8, y), (CONTEXT - 0.32, y))
            self.sheet.text((FUSION + 0.48 + CONTEXT) / 2, y + 0.1, _words(edges.fused[min(edges.fused)]), "center")
            self.sheet.box(CONTEXT, y, 0.64, "Table 1")

    def decoder(self, number: int, name: str) -> None:
        branch, x, pen, fill = self.edges.branches[name], DECODERS[number], PENS[number], FILLS[number]
        self.heading(x, name if number == 0 else f"{name} (training only)")
        stride, maps = branch.start, self.edges.fused[branch.start]
        low = self.y(stride)
        self.sheet.line([(FUSION + 0.8 if number == 0 else DECODERS[0], low), (x, low)], pen)
        self.sheet.text(FUSION + 0.86, low + 0.1, _words(maps))
        for finer, joined in branch.joined.items():
            y = self.y(finer)
            self.climb(x, low, y - HALF, maps, stride in branch.attends, number)
            words = f"up ×{stride // finer}: {_words(branch.upsampled[finer])}\nconcat"
            self.sheet.box(x, y, 1.4, words, fill, pen)
            self.skip(number, finer)
            low, stride, maps = y + HALF, finer, joined
        kernel, step = branch.last
        last = self.y(min(self.edges.stages))
        self.climb(x, low, last - HALF, maps, stride in branch.attends, number)
        self.sheet.box(x, last, 1.4, f"up ×{step} ({kernel}×{kernel})", fill, pen)
        self.climb(x, last + HALF, self.y(1) - HALF, branch.full, False, number)
        self.sheet.box(x, self.y(1), 1.4, f"{name}\n{_words(branch.output)}", fill, pen)

    def climb(self, x: float, start: float, end: float, maps: Shape, attends: bool, number: int) -> None:
        """An edge upwards, through attention if the maps pass it."""
        pen = PENS[number]
        self.sheet.text(x + 0.07, start + 0.11 if attends else (start + end) / 2, _words(maps))
        if attends:
            middle = start + 0.4
            self.sheet.arrow((x, start), (x, middle - 0.13), pen)
            self.sheet.box(x, middle, 0.95, "attention", FILLS[number], pen, half=0.13)
            start = middle + 0.13
        self.sheet.arrow((x, start), (x, end), pen)

    def skip(self, number: int, stride: int) -> None:
        """The fused map of a stride on its way to a decoder; to the second one it passes below the first."""
        y, end, pen = self.y(stride), DECODERS[number] - 0.7, PENS[number]
        if number == 0:
            context = self.edges.context if stride == min(self.edges.fused) else None
            left, maps = (CONTEXT + 0.32, context) if context else (FUSION + 0.8, self.edges.fused[stride])
            self.sheet.arrow((left, y), (end, y), pen)
            self.sheet.text(left + 0.06, y + 0.1, _words(maps))
            return
        fork, low = DECODERS[0] - 0.85, y - 0.3
        self.sheet.line([(fork, y), (fork, low), (end - 0.2, low), (end - 0.2, y)], pen)
        self.sheet.arrow((end - 0.2, y), (end, y), pen)

    def y(self, stride: int) -> float:
        """Height of a stride's level; all beyond the last share one."""
        level = self.levels.index(stride) if stride in self.levels else len(self.levels)
        return self.height - TOP - LEVEL * level

    def colour(self, stride: int) -> str:
        return PALETTE[list(self.edges.stages).index(stride) % len(PALETTE)]

    def heading(self, x: float, words: str) -> None:
        self.sheet.text(x, self.height - 0.58, words, "center", bold=True)


def _group(maps: Sequence[Shape]) -> str:
    """How many maps, and from which size to which."""
    sizes = dict.fromkeys(_words(shape) for shape in (max(maps), min(maps)))
    return f"{len(maps)} map{'' if len(maps) == 1 else 's'} {' … '.join(sizes)}"


def _words(shape: Shape) -> str:
    return "×".join(map(str, shape))
