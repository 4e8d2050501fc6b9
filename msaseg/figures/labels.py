"""Names beside points that overlap neither each other nor what is drawn."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from msaseg.figures.style import GREY

Point = tuple[float, float]
Line = tuple[Point, Point]

SIZE = 8.0  # points of type
AROUND = 2  # points of type that stay free around a name
DISTANCES = (7, 12, 18, 26, 36, 48, 62, 78, 96, 116)  # from the point to the name's nearest edge, in points of type
ANGLES = sorted(range(0, 360, 15), key=lambda angle: (round(abs(math.sin(math.radians(angle))), 3), angle))
"""Degrees; those nearest to the horizontal are tried first."""
LEADER = 7  # beyond this distance a line joins the two
CROWD = 9  # points of type: markers this near cover each other
MANY = 4  # more of them than this share one name


def place(axes: Axes, points: Sequence[Point], names: Sequence[str], obstacles: Sequence[Line]) -> None:
    """Write a name beside each point, at the nearest place that is free.

    Args:
        axes: with all else already drawn, in a layout that stays.
        points: in data coordinates; one with an empty name is not named, but kept free.
        names: one each.
        obstacles: lines that no name may cross, such as error bars.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    unit = figure.dpi / 72  # pixels a point of type
    at = [_pixel(axes, point) for point in points]
    boxes = [Bbox.from_bounds(x - 4 * unit, y - 4 * unit, 8 * unit, 8 * unit) for x, y in at]
    lines = [(_pixel(axes, start), _pixel(axes, end)) for start, end in obstacles]
    frame = axes.get_window_extent()
    shown = _grouped(at, names, CROWD * unit)
    for pixel, point, name in sorted(zip(at, points, shown, strict=True), key=lambda entry: -entry[0][1]):
        if not name:
            continue
        extent = _extent(axes, name).padded(AROUND * unit)
        distance, box = _free(pixel, extent, unit, frame, boxes, lines)
        boxes.append(box)
        middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
        looks: dict[str, Any] = {"fontsize": SIZE, "ha": "center", "va": "center"}
        if distance > LEADER:
            lines.append((pixel, middle))
            looks["arrowprops"] = {"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
        offset = ((middle[0] - pixel[0]) / unit, (middle[1] - pixel[1]) / unit)
        axes.annotate(name, point, offset, textcoords="offset points", **looks)


def _grouped(at: Sequence[Point], names: Sequence[str], near: float) -> list[str]:
    """Return the names, but of a crowd of points that cover each other the uppermost's alone, with how many follow."""
    shown, left = list(names), {number for number, name in enumerate(names) if name}
    for number in sorted(left, key=lambda number: -at[number][1]):
        crowd = {other for other in left if math.dist(at[number], at[other]) < near} if number in left else set()
        if len(crowd) > MANY:
            left -= crowd
            for other in crowd:
                shown[other] = ""
            shown[number] = f"{names[number]} and {len(crowd) - 1} more"
    return shown


def _free(
    at: Point, extent: Bbox, unit: float, frame: Bbox, boxes: Sequence[Bbox], lines: Sequence[Line]
) -> tuple[float, Bbox]:
    """Return how far from its point a name goes, in points of type, and its box in pixels.

    Where every line to a free place crosses something, the nearest free place is taken all the same.
    """
    distances, places = _places(at, extent, unit)
    inside = (places[:, :2] >= frame.min).all(axis=1) & (places[:, 2:] <= frame.max).all(axis=1)
    taken = _overlap(places, [box.extents for box in boxes])
    near = _overlap(places, [(*np.min(line, axis=0), *np.max(line, axis=0)) for line in lines])
    others = [box for box in boxes if not box.contains(*at)]
    first = None
    for number in np.flatnonzero(inside & ~np.any(taken, axis=1)):
        distance, box = distances[number], Bbox.from_extents(places[number])
        if any(close and _crosses(line, box) for line, close in zip(lines, near[number], strict=True)):
            continue
        leader = (at, ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
        if distance <= LEADER or not any(_crosses(leader, other) for other in others):
            return distance, box
        first = first or (distance, box)
    return first or (distances[0], Bbox.from_extents(places[0]))


def _overlap(some: np.ndarray, others: Sequence[Sequence[float]]) -> np.ndarray:
    """Return (n, m) whether boxes (n, 4) touch others (m, 4), each x0, y0, x1, y1."""
    x0, y0, x1, y1 = some.T[..., None]
    left, bottom, right, top = np.reshape(others, (-1, 4)).T
    touch: np.ndarray = (x0 <= right) & (left <= x1) & (y0 <= top) & (bottom <= y1)
    return touch


def _places(at: Point, extent: Bbox, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each place is, nearest first, and its x0, y0, x1, y1 (places, 4) in pixels."""
    distances, angles = np.repeat(DISTANCES, len(ANGLES)), np.radians(np.tile(ANGLES, len(DISTANCES)))
    size = np.array([extent.width, extent.height])
    away = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (distances[:, None] * unit + size / 2)
    middles = np.array(at) + away
    return distances, np.hstack([middles - size / 2, middles + size / 2])


def _extent(axes: Axes, name: str) -> Bbox:
    text = axes.text(0.5, 0.5, name, transform=axes.transAxes, fontsize=SIZE)
    extent = text.get_window_extent()
    text.remove()
    return extent


def _crosses(line: Line, box: Bbox) -> bool:
    return Path(line).intersects_bbox(box, filled=False)


def _pixel(axes: Axes, point: Point) -> Point:
    x, y = axes.transData.transform(point)
    return float(x), float(y)
