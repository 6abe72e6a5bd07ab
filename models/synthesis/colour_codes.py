"""Decides the codes of category 29 by the pixels: the chromatic colours a picture has."""

from typing import Final

import numpy as np
from PIL import Image

from models.vienna import ViennaCode

COLOURS: Final = ViennaCode(29, 1)
CHROMATIC: Final = 48  # least difference of a pixel's largest and smallest channel, 0..255
VISIBLE: Final = 0.005  # least share of the picture's surface
NAMED: Final = 0.03  # least share of the surface for a colour to be named by its section
_SIDE: Final = 96

# Section → hue range in degrees, least value (0..1) and largest value. Gaps between the ranges are
# on purpose: a hue that people would name differently gets no section, only the division.
_SECTIONS: Final = {
    ViennaCode(29, 1, 1): ((352, 368), 0.5, 1.0),  # red
    ViennaCode(29, 1, 98): ((20, 38), 0.78, 1.0),  # orange
    ViennaCode(29, 1, 2): ((48, 60), 0.75, 1.0),  # yellow
    ViennaCode(29, 1, 3): ((90, 155), 0.25, 1.0),  # green
    ViennaCode(29, 1, 4): ((200, 245), 0.25, 1.0),  # blue
    ViennaCode(29, 1, 5): ((265, 290), 0.25, 1.0),  # violet
    ViennaCode(29, 1, 7): ((15, 35), 0.2, 0.6),  # brown
    ViennaCode(29, 1, 99): ((320, 340), 0.75, 1.0),  # pink
}


def colour_codes(image: Image.Image) -> frozenset[ViennaCode]:
    """Return 29.01 and its certain sections, or nothing for an achromatic picture.

    A pixel is chromatic when its largest and smallest channel differ by at least ``CHROMATIC``;
    a picture is when at least ``VISIBLE`` of its surface is. Yellowed paper and JPEG's
    colour noise stay below. A section is added when its hue range covers ``NAMED`` of the surface.

    Args:
        image: RGB, any size.
    """
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    channels = np.asarray(small, dtype=np.int16)
    chromatic = channels.max(axis=2) - channels.min(axis=2) >= CHROMATIC
    if chromatic.mean() < VISIBLE:
        return frozenset()
    hue, _, value = np.moveaxis(np.asarray(small.convert("HSV"), dtype=np.float32), 2, 0)
    degrees, brightness = hue[chromatic] * (360 / 256), value[chromatic] / 255
    found = {COLOURS}
    for code, ((start, stop), low, high) in _SECTIONS.items():
        within = ((degrees - start) % 360 <= stop - start) & (brightness >= low)
        if (within & (brightness <= high)).sum() >= NAMED * chromatic.size:
            found.add(code)
    return frozenset(found)
