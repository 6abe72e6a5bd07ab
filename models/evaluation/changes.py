"""Changes a sign as infringers and registers do, and never its meaning: the same sign still.

No mirroring: a mirrored letter is another letter.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from models.network.sign import border_colour

Change = Callable[[Image.Image, np.random.Generator], Image.Image]

_LEAST_CONTRAST = 24  # grey levels between the darkest and the lightest
_WORDS = ("NOVA", "Orlan", "tessa", "BRIVO", "Kaldi", "MERON", "solenta", "Ardis", "VEXO", "lumia")


def rotate(
    image: Image.Image, rng: np.random.Generator, degrees: float = 15.0, least: float = 5.0
) -> Image.Image:
    """Turn by ``least`` to ``degrees`` either way."""
    angle = float(rng.uniform(least, degrees)) * (1 if rng.random() < 0.5 else -1)
    return image.rotate(
        angle, Image.Resampling.BICUBIC, expand=True, fillcolor=border_colour(image)
    )


def crop(image: Image.Image, rng: np.random.Generator, share: float = 0.7) -> Image.Image:
    """Keep a random window of ``share`` of the surface."""
    width, height = (max(8, round(side * share**0.5)) for side in image.size)
    x = int(rng.integers(0, max(1, image.width - width + 1)))
    y = int(rng.integers(0, max(1, image.height - height + 1)))
    return image.crop((x, y, x + width, y + height))


def reverse(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Invert light and dark (a white sign on black)."""
    del rng  # the same for every draw; the signature is every change's
    return ImageOps.invert(image)


def recolour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Repaint: grey levels become a ramp between two random colours, or hues turn."""
    if rng.random() < 0.5:
        dark = tuple(int(value) for value in rng.integers(0, 140, 3))
        light = tuple(int(value) for value in rng.integers(200, 256, 3))
        ends = (dark, light) if rng.random() < 0.8 else (light, dark)
        return ImageOps.colorize(ImageOps.grayscale(image), *ends)
    hue, saturation, value = image.convert("HSV").split()
    shift = int(rng.integers(40, 216))
    turned = hue.point(lambda level: (level + shift) % 256)
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def add_word(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Set an invented word below or beside the sign."""
    ground = border_colour(image)
    ink = (20, 20, 20) if sum(ground) > 380 else (240, 240, 240)
    height = max(12, round(image.height * float(rng.uniform(0.18, 0.4))))
    font = ImageFont.load_default(height)
    word = str(rng.choice(_WORDS))
    left, top, right, bottom = (round(edge) for edge in font.getbbox(word))
    width, tall = right - left, bottom - top
    gap = height // 2
    if rng.random() < 0.6:
        size = (max(image.width, width), image.height + gap + tall)
        sign, place = ((size[0] - image.width) // 2, 0), ((size[0] - width) // 2, size[1] - tall)
    else:
        size = (image.width + gap + width, max(image.height, tall))
        sign, place = (0, (size[1] - image.height) // 2), (size[0] - width, (size[1] - tall) // 2)
    canvas = Image.new("RGB", size, ground)
    canvas.paste(image, sign)
    ImageDraw.Draw(canvas).text((place[0] - left, place[1] - top), word, ink, font)
    return canvas


def outline(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draw only the edges, black on white: the sign redrawn as a line drawing."""
    large = image.resize((320, max(8, round(320 * image.height / image.width))))
    smooth = ImageOps.grayscale(large).filter(ImageFilter.GaussianBlur(1.0))
    levels = np.asarray(smooth, np.float32)
    down, across = np.gradient(levels)
    edges = np.hypot(down, across) > 6.0
    thick = Image.fromarray((~edges * 255).astype(np.uint8))
    if rng.random() < 0.5:
        thick = thick.filter(ImageFilter.MinFilter(3))
    return thick.convert("RGB")


def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Scan noise and low resolution: what a faxed application looks like."""
    side = int(rng.integers(56, 120))
    scale = side / max(image.size)
    small = image.resize(tuple(max(4, round(edge * scale)) for edge in image.size))  # type: ignore[arg-type]
    levels = np.asarray(small, np.float32) + rng.normal(
        0, rng.uniform(3, 14), (*small.size[::-1], 1)
    )
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).resize(image.size)


CHANGES: dict[str, Change] = {
    "rotate": rotate,
    "crop": crop,
    "reverse": reverse,
    "recolour": recolour,
    "add_word": add_word,
    "outline": outline,
    "degrade": degrade,
}


# What a search must survive, each at its full strength; the share of a crop is of the surface.
TRANSFORMATIONS: dict[str, Change] = {
    "recolour": recolour,
    "invert": reverse,
    "rotate_15": lambda image, rng: rotate(image, rng, 15.0, least=15.0),
    "crop_70": crop,
    "add_word": add_word,
    "redraw": outline,
}
# Finding the picture with its word by the one without: a word cannot be taken out of pixels, but
# a query can lack the word that the register's mark has.
UNDONE = {"add_word": "remove_word"}


def vary(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Apply one to three different changes, as a redrawn mark has."""
    number = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    for name in rng.choice(list(CHANGES), number, replace=False):
        changed = CHANGES[str(name)](image, rng)
        if _shows_something(changed):  # a crop may hold nothing but the ground
            image = changed
    return image


def _shows_something(image: Image.Image) -> bool:
    levels = np.asarray(ImageOps.grayscale(image))
    return int(levels.max()) - int(levels.min()) >= _LEAST_CONTRAST
