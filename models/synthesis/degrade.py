"""Degrades pictures as registers do: JPEG, low resolution, scans and facsimiles."""

import io

import numpy as np
from PIL import Image, ImageFilter

from models.network.sign import border_colour


def degrade(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Leave a picture alone (one in two) or wear it down one way or two.

    Args:
        image: RGB.
        rng: source of randomness.
    """
    kind = float(rng.random())
    if kind < 0.12:
        image = small(image, int(rng.integers(100, 180)))
    elif kind < 0.24:
        image = scanned(image, rng)
    elif kind < 0.29:
        image = facsimile(image, rng)
    if 0.2 < kind < 0.5:
        image = jpeg(image, int(rng.integers(22, 80)))
    return image


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Save as JPEG and read back."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def small(image: Image.Image, longest: int) -> Image.Image:
    """Shrink to a longest side and enlarge again."""
    scale = longest / max(image.size)
    tiny = (max(8, round(image.width * scale)), max(8, round(image.height * scale)))
    return image.resize(tiny, Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)


def scanned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put on the glass a little askew: blur, grain, and paper that is not quite white."""
    angle = float(rng.uniform(-1.5, 1.5))
    image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=border_colour(image))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.1))))
    grain = rng.normal(0, rng.uniform(2, 9), (image.height, image.width, 1))
    paper = np.array([1.0, 1.0 - rng.uniform(0, 0.015), 1.0 - rng.uniform(0, 0.05)])
    dimmed = np.asarray(image, np.float32) * paper * rng.uniform(0.93, 1.0) + grain
    return Image.fromarray(np.clip(dimmed, 0, 255).astype(np.uint8))


def facsimile(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Black and white only, with specks and ragged edges: an old gazette, a fax."""
    grey = np.asarray(image.convert("L"), np.float32)
    low, high = np.percentile(grey, (2, 98))
    noise = rng.normal(0, 12, grey.shape)
    black = grey + noise < (low + high) / 2
    specks = rng.random(grey.shape) < 0.0015
    return Image.fromarray(np.where(black ^ specks, 0, 255).astype(np.uint8)).convert("RGB")
