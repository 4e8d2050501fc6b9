"""CamVid's twelve classes, their colours, and the label of pixels that do not count."""

import numpy as np

IGNORE = 255

# The colours of SegNet's own test script; pavement there is (60, 40, 222), not CamVid's (0, 0, 192).
COLOURS = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Pavement": (60, 40, 222),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
    "Unlabelled": (0, 0, 0),
}
CLASSES = tuple(COLOURS)
PALETTE = np.array(list(COLOURS.values()), dtype=np.uint8)
