"""What stands and moves in a street: trees, poles, signs, fences, cars, pedestrians, bicyclists."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from msaseg.data.synthetic.canvas import Canvas, Colour

KERB, FRONT = 0.6, 1.1  # distance of kerb and house fronts from the middle of the road, in image widths at depth 1


@dataclass(frozen=True)
class Place:
    """A spot at one side of the street.

    Args:
        horizon: height of the horizon, a fraction of the image's.
        vanish: where the street meets it, a fraction of the image's width.
        side: -1 left, 1 right.
        depth: 0 at the horizon, 1 at the lower edge. All sizes are proportional to it.
    """

    horizon: float
    vanish: float
    side: int
    depth: float

    @property
    def ground(self) -> float:
        """Height in the image of the ground here."""
        return self.horizon + (1 - self.horizon) * self.depth

    def x(self, across: float) -> float:
        """Position in the image at a distance from the middle of the road."""
        return self.vanish + self.side * across * self.depth


def vary(rng: Generator, colour: Colour, spread: float = 18) -> Colour:
    """A colour near this one."""
    r, g, b = (min(max(c + d, 0), 255) for c, d in zip(colour, rng.uniform(-spread, spread, 3).tolist(), strict=True))
    return r, g, b


def pick(rng: Generator, *colours: Colour) -> Colour:
    """A colour near one of these."""
    return vary(rng, colours[rng.integers(len(colours))])


def tree(canvas: Canvas, rng: Generator, at: Place) -> None:
    """A trunk and a crown of leaf clouds."""
    x, height = at.x(rng.uniform(0.85, 1.1)), at.depth * rng.uniform(0.6, 0.95)
    canvas.box(x, at.ground, 0.035 * at.depth, height * 0.7, (72, 56, 42), "Tree")
    leaf = pick(rng, (52, 88, 40), (78, 96, 44), (40, 70, 46))
    for dx, dy, r in zip(*rng.normal(0, 0.1, (2, 7)).tolist(), rng.uniform(0.08, 0.17, 7).tolist(), strict=True):
        shade = vary(rng, leaf, 14)
        canvas.ellipse(x + dx * at.depth, at.ground - height + dy * at.depth, r * at.depth, r * at.depth, shade, "Tree")


def pole(canvas: Canvas, rng: Generator, at: Place) -> None:
    """A lamp post; its arm reaches over the road."""
    x, height, grey = at.x(KERB + 0.05), at.depth * rng.uniform(0.7, 1.0), vary(rng, (105, 108, 110))
    canvas.box(x, at.ground, 0.022 * at.depth, height, grey, "Pole")
    canvas.box(x - at.side * 0.05 * at.depth, at.ground - height, 0.1 * at.depth, 0.018 * at.depth, grey, "Pole")


def sign(canvas: Canvas, rng: Generator, at: Place) -> None:
    """A round or rectangular sign on a thin pole."""
    x, top, r = at.x(KERB + 0.08), at.ground - at.depth * rng.uniform(0.4, 0.55), 0.06 * at.depth
    canvas.box(x, at.ground, 0.016 * at.depth, at.ground - top, (120, 122, 124), "Pole")
    paint = pick(rng, (200, 40, 40), (35, 80, 180), (225, 190, 40))
    if rng.random() < 0.5:
        canvas.ellipse(x, top, r, r * 1.3, paint, "SignSymbol")
        canvas.ellipse(x, top, r * 0.5, r * 0.6, (235, 235, 235), "SignSymbol")
    else:
        canvas.box(x, top + r, 2.2 * r, 2.6 * r, paint, "SignSymbol")


def fence(canvas: Canvas, rng: Generator, at: Place) -> None:
    """Palings along the kerb, two rails and posts, seen in perspective."""
    paint, far = pick(rng, (90, 96, 100), (160, 160, 155), (110, 85, 60)), replace(at, depth=at.depth * 0.65)
    height, across = 0.2, KERB + 0.12
    ends = [(end.x(across), end.ground, end.ground - height * end.depth) for end in (far, at)]
    (x0, base0, top0), (x1, base1, top1) = ends
    canvas.polygon([(x0, top0), (x1, top1), (x1, base1), (x0, base0)], vary(rng, paint, 8), "Fence")
    dark: Colour = (paint[0] * 0.6, paint[1] * 0.6, paint[2] * 0.6)
    for depth in np.linspace(far.depth, at.depth, 5).tolist():
        post = replace(at, depth=depth)
        canvas.box(post.x(across), post.ground, 0.015 * depth, height * depth, dark, "Fence")


def car(canvas: Canvas, rng: Generator, at: Place) -> None:
    """A car from behind: body, rear window, wheels, lights."""
    d, x, ground = at.depth, at.x(rng.uniform(0.25, 0.48)), at.ground
    paint = pick(rng, (170, 30, 35), (40, 60, 120), (200, 200, 205), (45, 45, 48), (110, 118, 122), (60, 100, 70))
    for side in (-0.115, 0.115):
        canvas.box(x + side * d, ground, 0.05 * d, 0.08 * d, (22, 22, 24), "Car")
    canvas.box(x, ground - 0.04 * d, 0.32 * d, 0.17 * d, paint, "Car")
    roof = ground - 0.35 * d
    corners = [
        (x - 0.1 * d, roof),
        (x + 0.1 * d, roof),
        (x + 0.15 * d, roof + 0.15 * d),
        (x - 0.15 * d, roof + 0.15 * d),
    ]
    canvas.polygon(corners, paint, "Car")
    canvas.box(x, ground - 0.22 * d, 0.2 * d, 0.09 * d, (58, 66, 78), "Car")
    for side in (-0.13, 0.13):
        canvas.box(x + side * d, ground - 0.13 * d, 0.04 * d, 0.04 * d, (215, 60, 40), "Car")


def _person(canvas: Canvas, rng: Generator, x: float, feet: float, d: float, name: str) -> None:
    """Legs, body and head, 0.4 high at depth 1."""
    canvas.box(x, feet, 0.05 * d, 0.18 * d, pick(rng, (40, 45, 70), (60, 55, 50)), name)
    body = pick(rng, (180, 50, 50), (50, 90, 150), (210, 200, 180), (60, 60, 60), (220, 170, 40))
    canvas.ellipse(x, feet - 0.24 * d, 0.04 * d, 0.1 * d, body, name)
    canvas.ellipse(x, feet - 0.37 * d, 0.018 * d, 0.032 * d, pick(rng, (205, 160, 130), (120, 85, 65)), name)


def pedestrian(canvas: Canvas, rng: Generator, at: Place) -> None:
    """Someone on the pavement."""
    _person(canvas, rng, at.x(rng.uniform(KERB + 0.05, 1.0)), at.ground, at.depth, "Pedestrian")


def bicyclist(canvas: Canvas, rng: Generator, at: Place) -> None:
    """Someone on a bicycle at the side of the road, seen from the side."""
    x, d = at.x(rng.uniform(0.35, 0.55)), at.depth
    for side in (-0.07, 0.07):
        canvas.ring(x + side * d, at.ground - 0.075 * d, 0.075 * d, (25, 25, 28), "Bicyclist")
    canvas.box(x, at.ground - 0.1 * d, 0.13 * d, 0.02 * d, pick(rng, (190, 40, 40), (40, 130, 80)), "Bicyclist")
    _person(canvas, rng, x, at.ground - 0.09 * d, d * 0.95, "Bicyclist")


ACTORS: dict[Callable[[Canvas, Generator, Place], None], float] = {
    tree: 0.26,
    pole: 0.13,
    sign: 0.12,
    fence: 0.11,
    car: 0.16,
    pedestrian: 0.14,
    bicyclist: 0.08,
}
"""How often each appears."""
