"""The colours of one mark, and how ink is laid on a canvas."""

import colorsys
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from PIL import Image

RGB = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

WHITE: Final[RGB] = (255, 255, 255)
BLACK: Final[RGB] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Inks:
    """The colours one mark is printed in.

    Attributes:
        paper: what is behind.
        main: first ink, legible on paper.
        second: another ink legible on paper; often the same as the first.
        tile: surface of filled frames.
        on_tile: ink on such a surface.
        fade: the colour into which large inked surfaces fade from top to bottom, if they do.
        keep_colours: drawings that come in colours keep them; otherwise they turn grey.
    """

    paper: RGB
    main: RGB
    second: RGB
    tile: RGB
    on_tile: RGB
    fade: RGB | None = None
    keep_colours: bool = True

    def on_surface(self) -> "Inks":
        """Inks for what lies on a filled frame."""
        return replace(
            self,
            paper=self.tile,
            main=self.on_tile,
            second=self.on_tile,
            tile=self.on_tile,
            on_tile=self.tile,
            fade=None,
        )

    def on_colour(self, surface: RGB) -> "Inks":
        """Inks for what lies on a surface: the main ink if legible there, else black or white."""
        ink = self.main if contrast(self.main, surface) >= 90 else legible_on(surface)
        return replace(
            self,
            paper=surface,
            main=ink,
            second=ink,
            tile=ink,
            on_tile=surface,
            fade=None,
        )


def lightness(colour: RGB) -> float:
    """Return Rec. 601 luma, 0..255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def contrast(one: RGB, other: RGB) -> float:
    """Return the difference of two colours' luma, 0..255."""
    return abs(lightness(one) - lightness(other))


def legible_on(surface: RGB) -> RGB:
    """Return black or white, whichever stands out more."""
    return BLACK if lightness(surface) > 128 else WHITE


def draw_inks(rng: np.random.Generator, chromatic: bool) -> Inks:
    """Choose the colours of a mark.

    Args:
        rng: source of randomness.
        chromatic: with chromatic colours; otherwise black, white and greys only.
    """
    if not chromatic:
        return _achromatic(rng)
    main = _strong(rng)
    second = (main, _strong(rng), BLACK, _grey(rng, 40, 110))[int(rng.integers(4))]
    fade = _neighbour(rng, main) if rng.random() < 0.2 else None
    kind = float(rng.random())
    if kind < 0.74:
        return Inks(WHITE, main, second, main, WHITE, fade)
    if kind < 0.91:
        light = (WHITE, WHITE, _pale(rng), _yellowish(rng))[int(rng.integers(4))]
        accent = light if rng.random() < 0.6 else _pale(rng)
        return Inks(main, light, accent, light, main)
    paper = _pale(rng)
    return Inks(paper, main, main, main, paper, fade)


def lay_ink(canvas: Image.Image, box: Box, mask: Image.Image, inks: Inks, ink: RGB) -> None:
    """Print a stencil.

    Args:
        canvas: RGB picture to print on.
        box: where; its size is the mask's.
        mask: mode L, 255 full ink.
        inks: colours of the mark; the main ink may fade.
        ink: colour to print in.
    """
    if inks.fade is not None and ink == inks.main:
        canvas.paste(fading(mask.size, ink, inks.fade), (box[0], box[1]), mask)
    else:
        canvas.paste(ink, (box[0], box[1]), mask)


def fading(size: tuple[int, int], top: RGB, bottom: RGB) -> Image.Image:
    """Return a picture that fades from one colour at the top to another at the bottom."""
    steps = np.linspace(0.0, 1.0, size[1])[:, None]
    column = (1 - steps) * np.array(top) + steps * np.array(bottom)
    rows = np.repeat(column[:, None, :], size[0], axis=1)
    return Image.fromarray(rows.astype(np.uint8))


def _achromatic(rng: np.random.Generator) -> Inks:
    kind = float(rng.random())
    if kind < 0.7:
        grey = _grey(rng, 70, 150)
        second = BLACK if rng.random() < 0.7 else grey
        tile = BLACK if rng.random() < 0.75 else grey
        fade = grey if rng.random() < 0.08 else None
        return Inks(WHITE, BLACK, second, tile, WHITE, fade, keep_colours=False)
    if kind < 0.88:
        return Inks(BLACK, WHITE, WHITE, WHITE, BLACK, keep_colours=False)
    dark, light = _grey(rng, 20, 100), _grey(rng, 205, 255)
    paper, main = (light, dark) if rng.random() < 0.6 else (dark, light)
    return Inks(paper, main, main, main, paper, keep_colours=False)


def _strong(rng: np.random.Generator) -> RGB:
    """A colour that reads on white: blue, red and green lead, as in registers."""
    centres = (0.60, 0.60, 0.99, 0.99, 0.36, 0.08, 0.13, 0.78, 0.90, 0.50, 0.06)
    hue = float(rng.choice(centres)) + float(rng.normal(0, 0.03))
    value = float(rng.uniform(0.45, 0.92))
    colour = _rgb(hue, float(rng.uniform(0.7, 1.0)), value)
    while contrast(colour, WHITE) < 70:
        value *= 0.85
        colour = _rgb(hue, 0.95, value)
    return colour


def _neighbour(rng: np.random.Generator, colour: RGB) -> RGB:
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    turned = hue + float(rng.uniform(-0.12, 0.12))
    return _rgb(turned, saturation, min(0.95, max(0.35, value + float(rng.uniform(-0.3, 0.3)))))


def _pale(rng: np.random.Generator) -> RGB:
    return _rgb(float(rng.random()), float(rng.uniform(0.12, 0.3)), float(rng.uniform(0.93, 1.0)))


def _yellowish(rng: np.random.Generator) -> RGB:
    return _rgb(float(rng.uniform(0.11, 0.16)), float(rng.uniform(0.5, 0.95)), 1.0)


def _grey(rng: np.random.Generator, low: int, high: int) -> RGB:
    level = int(rng.integers(low, high + 1))
    return (level, level, level)


def _rgb(hue: float, saturation: float, value: float) -> RGB:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return (round(red * 255), round(green * 255), round(blue * 255))
