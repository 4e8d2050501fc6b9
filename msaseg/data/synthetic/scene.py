"""One street scene: sky, houses, pavement and road, what stands on them, and the camera."""

import numpy as np
from numpy.random import Generator

from msaseg.data.frames import Pixels, Size
from msaseg.data.synthetic.actors import ACTORS, FRONT, KERB, Place, pick, vary
from msaseg.data.synthetic.canvas import CLASS, Canvas


def draw(rng: Generator, size: Size) -> tuple[Pixels, Pixels]:
    """Draw a scene, far things first, near ones over them.

    Shape:
        returns: image (h, w, 3) RGB and label (h, w) of classes 0..11.
    """
    canvas, street = Canvas(size), Place(rng.uniform(0.42, 0.52), rng.uniform(0.38, 0.62), 1, 1.0)
    _sky(canvas, rng, street.horizon)
    _ground(canvas, rng, street)
    for side in (-1, 1):
        _houses(canvas, rng, street, side)
    _road(canvas, rng, street)
    actors, shares = list(ACTORS), list(ACTORS.values())
    for depth in np.sort(rng.uniform(0.14, 0.95, size=rng.integers(11, 17))).tolist():
        at = Place(street.horizon, street.vanish, int(rng.choice((-1, 1))), depth)
        actors[rng.choice(len(actors), p=shares)](canvas, rng, at)
    _void(canvas, rng)
    return _photograph(canvas.image, rng), canvas.label


def _sky(canvas: Canvas, rng: Generator, horizon: float) -> None:
    top = np.asarray(pick(rng, (95, 145, 205), (170, 178, 188), (120, 120, 150)))
    rows = round(canvas.height * horizon) + 1
    fade = np.linspace(0, 1, rows)[:, None, None]
    canvas.image[:rows] = top * (1 - fade) + np.array((225, 225, 222)) * fade
    canvas.label[:rows] = CLASS["Sky"]


def _ground(canvas: Canvas, rng: Generator, street: Place) -> None:
    """Pavement everywhere below the horizon; the houses and the road come over it."""
    below = canvas.unpainted()
    canvas.image[below] = vary(rng, (152, 144, 138))
    canvas.label[below] = CLASS["Pavement"]


def _houses(canvas: Canvas, rng: Generator, street: Place, side: int) -> None:
    """A row of fronts that runs towards the vanishing point, with windows in perspective."""
    depth = 0.1
    while depth < 1.3:
        near, roof = depth * rng.uniform(1.3, 2.0), rng.uniform(0.5, 1.2)
        ends = [Place(street.horizon, street.vanish, side, d) for d in (depth, near)]
        tops = [(end.x(FRONT), street.horizon - roof * end.depth) for end in ends]
        feet = [(end.x(FRONT), end.ground) for end in ends]
        brick = pick(rng, (150, 95, 75), (165, 150, 130), (125, 120, 118), (185, 165, 125))
        canvas.polygon([tops[0], tops[1], feet[1], feet[0]], brick, "Building")
        glass = pick(rng, (60, 68, 82), (60, 68, 82), (195, 200, 205))
        for d in (depth + (near - depth) * share for share in (0.17, 0.5, 0.83)):
            at = Place(street.horizon, street.vanish, side, d)
            for sill in np.arange(0.02, roof - 0.1, 0.24).tolist():
                canvas.box(at.x(FRONT), street.horizon - sill * d, 0.13 * (near - depth), 0.13 * d, glass, "Building")
        depth = near if rng.random() < 0.85 else near * 1.25  # now and then a gap


def _road(canvas: Canvas, rng: Generator, street: Place) -> None:
    """Tar between the kerbs, a dashed line in the middle."""
    tip = (street.vanish, street.horizon)
    for half, colour in ((KERB + 0.02, (178, 174, 170)), (KERB, vary(rng, (86, 86, 92)))):
        name = "Road" if half == KERB else "Pavement"
        left, right = (street.vanish - half, 1.01), (street.vanish + half, 1.01)
        canvas.polygon([tip, right, left], colour, name)
    dash = rng.uniform(0.9, 1.1)
    for depth in (0.2, 0.32, 0.48, 0.7, 1.0):
        far, near = (Place(street.horizon, street.vanish, 1, depth * dash * end) for end in (0.8, 1.0))
        corners = [(far.x(-0.012), far.ground), (far.x(0.012), far.ground)]
        corners += [(near.x(0.012), near.ground), (near.x(-0.012), near.ground)]
        canvas.polygon(corners, (208, 208, 202), "Road")


def _void(canvas: Canvas, rng: Generator) -> None:
    """Now and then the bonnet of the camera's car; a few odd things without a class."""
    if rng.random() < 0.2:
        canvas.ellipse(0.5, 1.03, 0.5, 0.09, vary(rng, (35, 35, 40)), "Unlabelled")
    for _ in range(rng.integers(0, 3)):
        x, y = rng.uniform(0, 1), rng.uniform(0.45, 0.9)
        w, h = rng.uniform(0.02, 0.07, 2)
        canvas.box(x, y, w, h, pick(rng, (60, 60, 60), (140, 120, 60), (190, 190, 190)), "Unlabelled")


def _photograph(image: Pixels, rng: Generator) -> Pixels:
    """Exposure, tint, a fall of light from one side, and sensor noise."""
    light = rng.uniform(0.6, 1.15) * rng.uniform(0.94, 1.06, 3)
    fall = 1 + rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, image.shape[1])[:, None]
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(2, 7))
    lit = image * (light * fall).astype(np.float32) + noise
    return np.clip(lit, 0, 255).astype(np.uint8)
