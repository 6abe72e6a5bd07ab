"""Any mode, depth, colour profile and transparency → RGB as a person sees it."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFilter

from models.errors import UnreadableImage
from models.images.guard import DAMAGE

WHITE, BLACK = (255, 255, 255), (0, 0, 0)

_PLAIN = frozenset(("L", "LA", "RGB", "RGBA", "CMYK"))
_DEEP = frozenset(("I;16", "I;16B", "I;16L", "I;16N", "I", "F"))
_ONE_CHANNEL = frozenset(("1", "L"))
# The largest value a deep picture can hold, if its mode does not say: the first that fits.
_TOPS = (1, 255, 65_535)
_LARGEST_PROFILE = 4 * 1024 * 1024  # bytes; printers' profiles reach two million
_NEAR_WHITE = 224  # all channels at least this: nothing to see on white paper
_BLANK = 231  # all channels of all pixels at least this: the network's input would be bare paper
_AT_ONCE = 1_000_000  # pixels of a deep picture that are looked at as floats at a time
_PROBE = 256  # pixels a side on which the background is chosen


def white_level(image: Image.Image) -> float:
    """The number that is white in a picture of one deep channel; 255 in any other."""
    if image.mode not in _DEEP:
        return 255
    if image.mode.startswith("I;16"):
        return 65_535
    rows = max(1, _AT_ONCE // image.width)
    bands = (image.crop((0, at, image.width, at + rows)) for at in range(0, image.height, rows))
    highest = max(float(_levels(band).max()) for band in bands)
    return next((top for top in _TOPS if highest <= top), highest)


def plain(image: Image.Image, white: float) -> Image.Image:
    """Bring any mode of Pillow's to L, LA, RGB, RGBA or CMYK, 8 bits a channel.

    Deep greys are scaled, not clipped, and colour-key or palette transparency becomes alpha.

    Args:
        image: any picture, or a part of it.
        white: `white_level` of the whole picture.
    """
    if image.mode in _DEEP:
        return _shallow(image, white)
    if image.has_transparency_data:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    if image.mode in _PLAIN:
        return image
    return image.convert("L" if image.mode in _ONE_CHANNEL else "RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Bring the colours of a plain picture to sRGB, mode RGB or RGBA.

    Args:
        image: mode L, LA, RGB, RGBA or CMYK.
        profile: the ICC profile that came with it; a broken one, or one for another kind of
            picture, is left aside, as browsers do.
    """
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    opaque = image if alpha is None else image.convert(image.mode[:-1])
    converted = None
    if profile is not None and len(profile) <= _LARGEST_PROFILE:
        converted = _through_profile(opaque, profile)
    result = converted or opaque.convert("RGB")
    if alpha is not None:
        result.putalpha(alpha)
    return result


def flatten(image: Image.Image, name: str) -> Image.Image:
    """Lay a picture on white paper; on black where it was made for a dark ground.

    Args:
        image: mode RGB or RGBA.
        name: what to call the picture in errors.

    Returns:
        Mode RGB.

    Raises:
        UnreadableImage: every pixel is transparent.
    """
    if image.mode == "RGB":
        return image
    if image.getchannel("A").getextrema()[1] == 0:
        raise UnreadableImage(
            f"{name}: every pixel is transparent, there is nothing to see; export it with a "
            "background"
        )
    ground = Image.new("RGB", image.size, BLACK if _made_for_dark(image) else WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def refuse_blank(image: Image.Image, name: str) -> None:
    """Refuse an empty sheet, which would look like every pale mark.

    Args:
        image: mode RGB.
        name: what to call the picture in errors.

    Raises:
        UnreadableImage: every pixel is white, or nearly.
    """
    if int(np.asarray(image).min()) >= _BLANK:
        raise UnreadableImage(
            f"{name}: every pixel is white, there is nothing to see; choose one that shows a sign"
        )


def _levels(image: Image.Image) -> NDArray[np.float64]:
    """The values of one deep channel, those that are no numbers and negative ones as 0."""
    levels: NDArray[np.float64] = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0)
    return levels.clip(min=0)


def _shallow(image: Image.Image, white: float) -> Image.Image:
    """Scale 16-bit, 32-bit and float grey to mode L, or LA where one grey is transparent."""
    levels = _levels(image)
    grey = Image.fromarray(np.rint(levels * (255 / white)).clip(0, 255).astype(np.uint8), "L")
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(levels == key, 0, 255).astype(np.uint8), "L"))
    return grey


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert L, RGB or CMYK through its profile; None where the profile is of no use."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
            return image
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, *DAMAGE):
        return None


def _made_for_dark(image: Image.Image) -> bool:
    """Whether white paper would swallow the sign's outline.

    What decides is the sign's edge, the visible pixels beside transparent ones: a drawing filled
    with white and outlined in black stands on paper, white letters with a red dot do not. A card
    (it fills its frame) with something on it stays on paper too, whatever its rounded corners show.

    Args:
        image: mode RGBA, at least one pixel not wholly transparent.
    """
    # NEAREST keeps colours and edges as they are; an average would grey the outline.
    factor = max(1, max(image.size) // _PROBE)
    probe = image.resize(
        (max(1, image.width // factor), max(1, image.height // factor)), Image.Resampling.NEAREST
    )
    alpha = np.asarray(probe.getchannel("A"))
    # Half of the strongest: a faint sign is judged as a strong one is.
    seen = alpha >= max(1, int(alpha.max()) // 2)
    inner = np.asarray(Image.fromarray(seen).convert("L").filter(ImageFilter.MinFilter(3))) > 0
    edge = seen & ~inner
    near_white = np.asarray(probe.convert("RGB")).min(axis=2) >= _NEAR_WHITE
    share = float(near_white[seen].mean())
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    frame = int(rows[-1] - rows[0] + 1) * int(columns[-1] - columns[0] + 1)
    is_card = seen.sum() / frame > 0.85
    if is_card and share < 0.98:
        return False
    return bool((near_white[edge].mean() if edge.any() else share) > 0.5)
