"""An image and its label that are painted together."""

import cv2
import numpy as np
from numpy.typing import NDArray

from msaseg.classes import CLASSES
from msaseg.data.frames import Pixels, Size

Colour = tuple[float, float, float]
CLASS = {name: index for index, name in enumerate(CLASSES)}


class Canvas:
    """All void at first. Coordinates are fractions of width and height."""

    def __init__(self, size: Size) -> None:
        self.height, self.width = size
        self.image: Pixels = np.zeros((*size, 3), np.uint8)
        self.label: Pixels = np.full(size, CLASS["Unlabelled"], np.uint8)

    def polygon(self, points: list[tuple[float, float]], colour: Colour, name: str) -> None:
        """A filled convex polygon."""
        corners = np.array([self._pixel(x, y) for x, y in points], np.int32)
        cv2.fillConvexPoly(self.image, corners, colour)
        cv2.fillConvexPoly(self.label, corners, CLASS[name])

    def box(self, x: float, y: float, w: float, h: float, colour: Colour, name: str) -> None:
        """A filled rectangle centred at x, standing on y, at least a pixel wide and high."""
        left, bottom = self._pixel(x - w / 2, y)
        right, top = left + max(1, round(w * self.width)), bottom - max(1, round(h * self.height))
        if right <= 0 or bottom <= 0:
            return
        rows, columns = slice(max(0, top), bottom), slice(max(0, left), right)
        self.image[rows, columns] = colour
        self.label[rows, columns] = CLASS[name]

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, name: str) -> None:
        """A filled ellipse about (x, y), at least a pixel in each direction."""
        axes = (max(1, round(rx * self.width)), max(1, round(ry * self.height)))
        cv2.ellipse(self.image, self._pixel(x, y), axes, 0, 0, 360, colour, -1)
        cv2.ellipse(self.label, self._pixel(x, y), axes, 0, 0, 360, CLASS[name], -1)

    def ring(self, x: float, y: float, r: float, colour: Colour, name: str) -> None:
        """A circle line of radius r (a fraction of the height) about (x, y)."""
        radius = max(1, round(r * self.height))
        cv2.circle(self.image, self._pixel(x, y), radius, colour, 1)
        cv2.circle(self.label, self._pixel(x, y), radius, CLASS[name], -1)

    def unpainted(self) -> NDArray[np.bool_]:
        """Where nothing is painted yet."""
        return np.equal(self.label, CLASS["Unlabelled"])

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.width), round(y * self.height)
